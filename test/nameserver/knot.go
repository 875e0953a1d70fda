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

func configureKnot(_ context.Context, dir string, at netip.AddrPort, config Config) (func() *exec.Cmd, error) {
	var keys, remotes, acls, zones strings.Builder
	for _, k := range config.keys() {
		fmt.Fprintf(&keys, "  - id: %s\n    algorithm: %s\n    secret: %s\n", k.Name, k.Algorithm, k.Secret)
	}
	for i, z := range config.Zones {
		if z.bindOnly() {
			return nil, errors.New("the zone asks for what only BIND has")
		}
		if z.Primary != "" {
			fmt.Fprintf(&remotes, "  - id: primary%d\n    address: %s\n", i, strings.Replace(z.Primary, ":", "@", 1))
			from := "address: 127.0.0.1"
			if z.PrimaryKey.Name != "" {
				fmt.Fprintf(&remotes, "    key: %s\n", z.PrimaryKey.Name)
				from = "key: " + z.PrimaryKey.Name
			}
			fmt.Fprintf(&acls, "  - id: notify%d\n    %s\n    action: notify\n", i, from)
			fmt.Fprintf(&zones, "  - domain: %s\n    file: %s\n    master: primary%d\n    acl: notify%d\n", z.Name, filepath.Join(dir, fmt.Sprintf("%d.zone", i)), i, i)
			continue
		}
		file := filepath.Join(dir, fmt.Sprintf("%d.zone", i))
		if err := os.WriteFile(file, []byte(z.zoneFile()), 0o600); err != nil {
			return nil, err
		}
		fmt.Fprintf(&zones, "  - domain: %s\n    file: %s\n    zonefile-sync: -1\n    zonefile-load: whole\n    journal-content: changes\n", z.Name, file)
		if z.Key.Name == "" {
			continue
		}
		fmt.Fprintf(&acls, "  - id: update%d\n    key: %s\n    action: update\n    update-type: [A, AAAA, TXT, HTTPS]\n", i, z.Key.Name)
		if z.Only != nil {
			fmt.Fprintf(&acls, "    update-owner: name\n    update-owner-match: sub-or-equal\n    update-owner-name: [%s]\n", strings.Join(z.Only, ", "))
		}
		fmt.Fprintf(&zones, "    acl: update%d\n", i)
	}
	conf := fmt.Sprintf("server:\n    listen: %[1]s@%[2]d\n    rundir: %[3]s\ndatabase:\n    storage: %[3]s\nlog:\n  - target: stderr\n    any: info\n", at.Addr(), at.Port(), dir)
	for _, section := range []struct{ name, text string }{{"key", keys.String()}, {"remote", remotes.String()}, {"acl", acls.String()}, {"zone", zones.String()}} {
		if section.text != "" {
			conf += section.name + ":\n" + section.text
		}
	}
	return KnotCommand(dir, conf)
}

// bindOnly tells whether the zone uses an option of BIND.
func (z Zone) bindOnly() bool {
	return z.UpdatePolicy != "" || z.Signed || z.MaxTTL > 0 || z.Private
}

// KnotCommand writes knot.conf and returns the command that runs it.
func KnotCommand(dir, conf string) (func() *exec.Cmd, error) {
	confFile := filepath.Join(dir, "knot.conf")
	if err := os.WriteFile(confFile, []byte(conf), 0o600); err != nil {
		return nil, err
	}
	return func() *exec.Cmd { return exec.Command("/usr/sbin/knotd", "-c", confFile) }, nil
}
