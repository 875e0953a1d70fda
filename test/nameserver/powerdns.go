//go:build linux

package nameserver

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const powerDNSConf = `launch=gsqlite3
gsqlite3-database=%[1]s/pdns.sqlite3
gsqlite3-dnssec=yes
local-address=%[2]s
local-port=%[3]d
reuseport=yes
socket-dir=%[1]s
security-poll-suffix=
primary=yes
secondary=yes
xfr-cycle-interval=1
forward-dnsupdate=no
dnsupdate=yes
allow-dnsupdate-from=127.0.0.1
`

// The schema that Debian's pdns-backend-sqlite3 brings.
const powerDNSSchema = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"

func configurePowerDNS(ctx context.Context, dir string, at netip.AddrPort, config Config) (func() *exec.Cmd, error) {
	if err := os.WriteFile(filepath.Join(dir, "pdns.conf"), fmt.Appendf(nil, powerDNSConf, dir, at.Addr(), at.Port()), 0o600); err != nil {
		return nil, err
	}
	if err := output(exec.CommandContext(ctx, "sqlite3", filepath.Join(dir, "pdns.sqlite3"), ".read "+powerDNSSchema)); err != nil {
		return nil, err
	}
	pdnsutil := func(args ...string) error {
		return output(exec.CommandContext(ctx, "pdnsutil", append([]string{"--config-dir=" + dir}, args...)...))
	}
	for _, k := range config.keys() {
		if err := pdnsutil("import-tsig-key", k.Name, k.Algorithm, k.Secret); err != nil {
			return nil, err
		}
	}
	for i, z := range config.Zones {
		if z.bindOnly() || z.Only != nil {
			return nil, errors.New("the zone asks for what PowerDNS does not have")
		}
		if z.Primary != "" {
			if err := pdnsutil("create-secondary-zone", z.Name, z.Primary); err != nil {
				return nil, err
			}
			if err := pdnsutil("set-meta", z.Name, "TSIG-ALLOW-DNSUPDATE", z.Key.Name); err != nil {
				return nil, err
			}
			continue
		}
		file := filepath.Join(dir, fmt.Sprintf("%d.zone", i))
		if err := os.WriteFile(file, []byte(z.zoneFile()), 0o600); err != nil {
			return nil, err
		}
		// Without a key in TSIG-ALLOW-DNSUPDATE, unsigned updates pass.
		key := z.Key.Name
		if key == "" {
			key = "nobody"
		}
		for _, args := range [][]string{
			{"load-zone", z.Name, file},
			{"set-kind", z.Name, "primary"},
			{"set-meta", z.Name, "TSIG-ALLOW-DNSUPDATE", key},
			{"set-meta", z.Name, "SOA-EDIT-DNSUPDATE", "INCREASE"},
		} {
			if err := pdnsutil(args...); err != nil {
				return nil, err
			}
		}
	}
	return powerDNSCommand(dir), nil
}

// powerDNSCommand is the command that runs the pdns.conf in dir.
func powerDNSCommand(dir string) func() *exec.Cmd {
	return func() *exec.Cmd {
		return exec.Command("/usr/sbin/pdns_server", "--config-dir="+dir, "--guardian=no", "--daemon=no", "--disable-syslog")
	}
}

// output runs a command and puts what it printed into the error.
func output(cmd *exec.Cmd) error {
	text, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args[:min(3, len(cmd.Args))], " "), err, text)
	}
	return nil
}
