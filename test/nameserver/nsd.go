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

const nsdServer = `server:
	ip-address: %[2]s@%[3]d
	# With one server NSD does not set SO_REUSEPORT.
	server-count: 2
	reuseport: yes
	username: ""
	zonesdir: "%[1]s"
	zonelistfile: "%[1]s/zone.list"
	xfrdfile: "%[1]s/xfrd.state"
	xfrdir: "%[1]s"
	database: ""
	pidfile: ""
	xfrd-reload-timeout: 0
	rrl-ratelimit: 0
	verbosity: 1
remote-control:
	control-enable: no
`

func configureNSD(_ context.Context, dir string, at netip.AddrPort, config Config) (func() *exec.Cmd, error) {
	var conf strings.Builder
	fmt.Fprintf(&conf, nsdServer, dir, at.Addr(), at.Port())
	for _, k := range config.keys() {
		fmt.Fprintf(&conf, "key:\n\tname: %q\n\talgorithm: %s\n\tsecret: %q\n", k.Name, k.Algorithm, k.Secret)
	}
	for _, z := range config.Zones {
		if z.bindOnly() || z.Primary == "" || z.PrimaryKey.Name == "" {
			return nil, errors.New("the zone asks for what NSD does not have")
		}
		fmt.Fprintf(&conf, "zone:\n\tname: %q\n\trequest-xfr: %s %s\n\tallow-notify: %s %s\n", z.Name,
			strings.Replace(z.Primary, ":", "@", 1), z.PrimaryKey.Name, at.Addr(), z.PrimaryKey.Name)
	}
	confFile := filepath.Join(dir, "nsd.conf")
	if err := os.WriteFile(confFile, []byte(conf.String()), 0o600); err != nil {
		return nil, err
	}
	return func() *exec.Cmd { return exec.Command("/usr/sbin/nsd", "-d", "-c", confFile) }, nil
}
