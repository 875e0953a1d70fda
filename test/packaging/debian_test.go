//go:build integration && linux

package packaging

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/internal/await"
)

// The Debian package as the documentation has it, from its installation over restarts and an
// upgrade under load to its removal, by systemd itself.
func TestDebianPackage(t *testing.T) {
	if !inMachine(t) {
		return
	}
	const caddyfile = "/etc/caddy/Caddyfile"
	install := section(t, "A Debian package", 2)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(shell(t, "journalctl --no-pager -u caddy-dyndns.service -o cat | tail -n 400"))
		}
	})
	// The records of the documents' machine.
	shell(t, "ip address add 198.51.100.1/32 dev lo; userdel caddy || true; rm -rf /etc/caddy /var/lib/caddy /usr/bin/caddy")

	shell(t, install[0].Text)
	expect(t, "stat -c '%A %U:%G %n' /usr/bin/caddy /etc/caddy /etc/caddy/tsig /etc/caddy/tokens /usr/lib/systemd/system/caddy-dyndns.{service,socket}", `-rwxr-xr-x root:root /usr/bin/caddy
drwxr-xr-x root:root /etc/caddy
drwx------ root:root /etc/caddy/tsig
drwxr-x--- root:caddy /etc/caddy/tokens
-rw-r--r-- root:root /usr/lib/systemd/system/caddy-dyndns.service
-rw-r--r-- root:root /usr/lib/systemd/system/caddy-dyndns.socket`)
	expect(t, "dpkg --verify caddy-dyndns", "")
	expect(t, "getent passwd caddy | cut -d : -f 6,7", "/var/lib/caddy:/usr/sbin/nologin")
	expect(t, "systemd-analyze verify --man=no caddy-dyndns.service caddy-dyndns.socket 2>&1", "")
	expect(t, "systemctl show -P UnitFileState,ActiveState,ConditionResult caddy-dyndns.service", "inactive\nenabled\nno")

	for line := range strings.Lines(install[1].Text) {
		shell(t, line)
		if strings.HasPrefix(line, "cp ") {
			options(t, caddyfile, ownAuthority)
		}
	}
	s := newService(t, strings.TrimSpace(shell(t, "cat /etc/caddy/tokens/home")))
	await.Done(t, "the certificate", func() error { _, err := s.update("first", 0); return err })
	expect(t, "dig +short @127.0.0.1 first.home.dyn.example.com", "192.0.2.1")
	expect(t, "curl -s -o /dev/null -w '%{http_code} %{redirect_url}' -H 'Host: dyndns.example.com' http://127.0.0.1/ip", "308 https://dyndns.example.com/ip")
	expect(t, "awk '/^Cap(Eff|Bnd)/ { print $2 }' /proc/$(systemctl show -P MainPID caddy-dyndns)/status", "0000000000000400\n0000000000000400")

	t.Run("without a loss", func(t *testing.T) { upgrade(t, s) })

	shell(t, "apt-get purge -y caddy-dyndns")
	expect(t, "systemctl is-active caddy-dyndns.socket caddy-dyndns.service || true", "inactive\ninactive")
	expect(t, "ls -d /usr/bin/caddy /var/lib/caddy/.local/share/caddy/dyndns/zones.db 2> /dev/null || true", "/var/lib/caddy/.local/share/caddy/dyndns/zones.db")
}

// upgrade follows the section about upgrades while clients send requests.
func upgrade(t *testing.T, s *service) {
	blocks := section(t, "Upgrades without a loss", 3)
	// The next version has another number and nothing else.
	shell(t, `dpkg-deb -R caddy-dyndns_0.1.0_amd64.deb /tmp/next
		sed -i 's/^Version: .*/Version: 0.1.1/' /tmp/next/DEBIAN/control
		dpkg-deb -Znone -b /tmp/next /tmp/caddy-dyndns_0.1.1_amd64.deb`)

	write(t, "/etc/systemd/system/caddy-dyndns.socket.d/override.conf", blocks[1].Text)
	_, listen, _ := strings.Cut(strings.TrimSpace(blocks[2].Text), "\n")
	options(t, "/etc/caddy/Caddyfile", strings.TrimSuffix(listen, "\n}"))
	shell(t, `systemctl daemon-reload
		systemctl stop caddy-dyndns.socket caddy-dyndns.service
		systemctl start caddy-dyndns.socket caddy-dyndns.service`)

	load := s.start(t, "198.51.100.1:53")
	for _, change := range []string{"systemctl restart caddy-dyndns", "cd /tmp\n" + blocks[0].Text} {
		load.awaitMore(t)
		before := shell(t, "systemctl show -P MainPID caddy-dyndns")
		shell(t, change)
		if after := shell(t, "systemctl show -P MainPID caddy-dyndns"); after == before || after == "0\n" {
			t.Errorf("%s: the process was %s and is %s", change, before, after)
		}
		load.awaitMore(t)
	}
	updates, queries := load.end()
	t.Logf("%d updates and %d queries were answered", updates, queries)
	expect(t, "dpkg-query -W -f '${Version}' caddy-dyndns", "0.1.1")
}

// address is the one that a client reports for the nth time.
func address(n int) string { return fmt.Sprintf("192.0.2.%d", 1+n%250) }
