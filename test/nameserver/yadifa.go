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

const yadifaMain = `<main>
	daemonize off
	data-path "%[1]s"
	keys-path "%[1]s"
	xfr-path "%[1]s"
	log-path "%[1]s"
	pid-file "%[1]s/yadifad.pid"
	server-port %[3]d
	listen %[2]s port %[3]d
	max-tcp-queries 255
	statistics off
</main>
<channels>
	stderr STDERR
</channels>
<loggers>
	* prod stderr
</loggers>
`

func configureYADIFA(_ context.Context, dir string, at netip.AddrPort, config Config) (func() *exec.Cmd, error) {
	var conf strings.Builder
	fmt.Fprintf(&conf, yadifaMain, dir, at.Addr(), at.Port())
	for _, k := range config.keys() {
		fmt.Fprintf(&conf, "<key>\n\tname %s\n\talgorithm %s\n\tsecret %s\n</key>\n", k.Name, k.Algorithm, k.Secret)
	}
	for i, z := range config.Zones {
		if z.bindOnly() || z.Only != nil || z.Primary != "" {
			return nil, errors.New("the zone asks for what YADIFA does not have")
		}
		file := fmt.Sprintf("%d.zone", i)
		if err := os.WriteFile(filepath.Join(dir, file), []byte(z.zoneFile()), 0o600); err != nil {
			return nil, err
		}
		fmt.Fprintf(&conf, "<zone>\n\tdomain %s\n\ttype primary\n\tfile %s\n", z.Name, file)
		if z.Key.Name != "" {
			fmt.Fprintf(&conf, "\tallow-update key %s\n", z.Key.Name)
		}
		conf.WriteString("</zone>\n")
	}
	confFile := filepath.Join(dir, "yadifad.conf")
	if err := os.WriteFile(confFile, []byte(conf.String()), 0o600); err != nil {
		return nil, err
	}
	return func() *exec.Cmd { return exec.Command("/usr/sbin/yadifad", "-c", confFile) }, nil
}
