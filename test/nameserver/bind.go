//go:build linux

package nameserver

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const bindOptions = `options {
	directory "%[1]s";
	key-directory "%[1]s";
	managed-keys-directory "%[1]s";
	session-keyfile "%[1]s/session.key";
	pid-file none;
	lock-file none;
	listen-on port %[2]d { %[3]s; };
	listen-on-v6 { none; };
	recursion no;
	dnssec-validation no;
	notify no;
};
controls { };
`

func configureBIND(_ context.Context, dir string, at netip.AddrPort, config Config) (func() *exec.Cmd, error) {
	var conf strings.Builder
	fmt.Fprintf(&conf, bindOptions, dir, at.Port(), at.Addr())
	for _, k := range config.keys() {
		fmt.Fprintf(&conf, "key %q { algorithm %s; secret %q; };\n", k.Name, k.Algorithm, k.Secret)
	}
	var private, public string
	for i, z := range config.Zones {
		file := fmt.Sprintf("%d.zone", i)
		if err := os.WriteFile(filepath.Join(dir, file), []byte(z.zoneFile()), 0o600); err != nil {
			return nil, err
		}
		if z.Private {
			private += fmt.Sprintf("view private%d {\nmatch-clients { key %q; };\n%s};\n", i, z.Key.Name, z.bind(file))
		} else {
			public += z.bind(file)
		}
	}
	if private != "" {
		// With views every zone must be in one, and the first that matches counts.
		public = "view public {\nmatch-clients { any; };\n" + public + "};\n"
	}
	return namedCommand(dir, conf.String()+private+public)
}

func (z Zone) bind(file string) string {
	if z.Primary != "" {
		host, port, _ := net.SplitHostPort(z.Primary)
		key, notify := "", ""
		if z.PrimaryKey.Name != "" {
			key, notify = fmt.Sprintf(" key %q", z.PrimaryKey.Name), fmt.Sprintf("\tallow-notify { key %q; };\n", z.PrimaryKey.Name)
		}
		return fmt.Sprintf("zone %q {\n\ttype secondary;\n\tfile %q;\n\tprimaries { %s port %s%s; };\n%s};\n", z.Name, "secondary-"+file, host, port, key, notify)
	}
	policy := z.UpdatePolicy
	switch {
	case policy != "" || z.Key.Name == "":
	case z.Only == nil:
		policy = fmt.Sprintf("grant %q zonesub A AAAA TXT HTTPS;", z.Key.Name)
	default:
		for _, name := range z.Only {
			policy += fmt.Sprintf("grant %q subdomain %s A AAAA TXT HTTPS; ", z.Key.Name, name)
		}
	}
	text := fmt.Sprintf("zone %q {\n\ttype primary;\n\tfile %q;\n", z.Name, file)
	if policy != "" {
		text += "\tupdate-policy { " + policy + " };\n"
	}
	if z.Notify != nil {
		text += "\tnotify explicit;\n\tnotify-delay 0;\n\talso-notify {"
		for _, secondary := range z.Notify {
			host, port, _ := net.SplitHostPort(secondary)
			text += fmt.Sprintf(" %s port %s;", host, port)
		}
		text += " };\n"
	}
	if z.Signed {
		text += "\tdnssec-policy default;\n\tinline-signing yes;\n"
	}
	if z.MaxTTL > 0 {
		text += fmt.Sprintf("\tmax-zone-ttl %d;\n", z.MaxTTL)
	}
	return text + "};\n"
}

// namedCommand writes named.conf and returns the command that runs it.
func namedCommand(dir, conf string) (func() *exec.Cmd, error) {
	confFile := filepath.Join(dir, "named.conf")
	if err := os.WriteFile(confFile, []byte(conf), 0o600); err != nil {
		return nil, err
	}
	// AppArmor keeps Debian's named, by its path, out of our directory. A process of
	// its own makes the copy: a process that is forked here meanwhile would keep an
	// open copy busy until it executes (golang/go#22315).
	named := filepath.Join(dir, "named")
	if output, err := exec.Command("cp", "/usr/sbin/named", named).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("copying named: %w: %s", err, output)
	}
	return func() *exec.Cmd { return exec.Command(named, "-g", "-c", confFile) }, nil
}
