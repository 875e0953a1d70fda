//go:build integration && linux

package histories

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/internal/loopback"
	"github.com/caddy-dyndns/dyndns/test/nameserver"
)

// Caddy is the nameserver that is brought along, in a process of its own.
const Caddy nameserver.Kind = "Caddy"

// dnsAddress has a Caddy listen there for DNS: at a port that is reserved for it, and which
// refuses connections while there is none.
const dnsAddress = "DYNDNS_TEST_DNS_ADDRESS"

// dnsSockets are open as long as the process.
var dnsSockets [2]*os.File

// listenForDNS opens the sockets that the environment asks for and names them there.
func listenForDNS() {
	address := os.Getenv(dnsAddress)
	if address == "" {
		return
	}
	tcp, udp, err := loopback.Listen(address)
	if err != nil {
		panic(err)
	}
	if dnsSockets[0], err = tcp.(*net.TCPListener).File(); err != nil {
		panic(err)
	}
	if dnsSockets[1], err = udp.(*net.UDPConn).File(); err != nil {
		panic(err)
	}
	os.Setenv("DNS_SOCKETS", fmt.Sprintf("fd/%d fdgram/%d", dnsSockets[0].Fd(), dnsSockets[1].Fd()))
}

// runServed runs the nameserver. The Caddy that is returned is the same process as a
// service: it changes the zones without any message.
func runServed(t *testing.T, config nameserver.Config, key nameserver.Key) (*nameserver.Server, *caddy) {
	t.Helper()
	socket, url := listenForHTTP(t)
	server := nameserver.RunConfigured(t, Caddy, config, func(dir string, at netip.AddrPort) (func() *exec.Cmd, error) {
		keyFile, file := filepath.Join(dir, "update.key"), filepath.Join(dir, "Caddyfile")
		clause := fmt.Sprintf("key %q { algorithm %s; secret %q; };\n", key.Name, key.Algorithm, key.Secret)
		if err := os.WriteFile(keyFile, []byte(clause), 0o600); err != nil {
			return nil, err
		}
		var zones strings.Builder
		for _, z := range config.Zones {
			fmt.Fprintf(&zones, "zone %s {\nserve {\nns ns1.example.net\nupdate %s\n}\n}\n", z.Name, keyFile)
		}
		global := fmt.Sprintf("dyndns_nameserver {\nlisten {$DNS_SOCKETS}\ndatabase %s/zones.db\n}\n", dir)
		if err := os.WriteFile(file, caddyfile(dir, global, zones.String()), 0o600); err != nil {
			return nil, err
		}
		return func() *exec.Cmd {
			cmd := exec.Command(os.Args[0], "run", "--config", file, "--adapter", "caddyfile")
			cmd.Env = append(os.Environ(), asCaddy+"=1", dnsAddress+"="+at.String(), "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
			cmd.ExtraFiles = []*os.File{socket}
			return cmd
		}, nil
	})
	return server, &caddy{name: "served", url: url, client: newClient()}
}
