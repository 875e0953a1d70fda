//go:build integration && linux

package operating

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
	"github.com/caddy-dyndns/dyndns/test/markdown"
)

const page = "docs/operating.md"

// step is one list of commands of the page.
func step(t *testing.T, number int) string {
	t.Helper()
	const steps = 5
	all := markdown.Code(t, "../..", page, "sh")
	if len(all) != steps {
		t.Fatalf("%s has %d lists of commands, %d are run", page, len(all), steps)
	}
	return all[number]
}

// primary is a nameserver for a zone.
func primary(t *testing.T, name string) (*dnstest.Server, dnstest.Key) {
	t.Helper()
	key := dnstest.Key{Name: name + ".", Algorithm: "hmac-sha512", Secret: []byte("0123456789abcdef0123456789abcdef")}
	ns := dnstest.NewServer(dnstest.Zone{Name: name + ".", Keys: []dnstest.Key{key}})
	t.Cleanup(ns.Close)
	return ns, key
}

// The commands of the page, one after the other, on one machine: what a reload takes up, a
// lost disk, and a new program.
func TestOneMachine(t *testing.T) {
	t.Parallel()
	const home, other = "home.dyn.example.com", "home.tsig.example.com"
	ns, key := primary(t, "tsig.example.com")
	tcp, udp, err := caddytest.ReservePort(t).Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	defer udp.Close()
	port := udp.LocalAddr().String()
	h := newHost(t, "\tdyndns_nameserver {\n\t\tlisten fd/3 fdgram/4\n\t}\n}\n", `
dyndns.example.com {
	dyndns {
		domain dyndns.example.com
		config /etc/caddy/dyndns.yml
		zone dyn.example.com {
			serve {
				ns ns1.example.net
			}
		}
		zone tsig.example.com {
			tsig_keyfile /etc/caddy/tsig/tsig.example.com.key
			nameserver `+ns.Addr()+`
		}
		client home-router {
			token {file./etc/caddy/tokens/home-router}
			hosts `+home+` `+other+`
		}
		clients storage
	}
	respond 404
}
`)
	for _, socket := range []interface{ File() (*os.File, error) }{tcp.(*net.TCPListener), udp.(*net.UDPConn)} {
		file, err := socket.File()
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		h.sockets = append(h.sockets, file)
	}
	h.write("etc/caddy/dyndns.yml", "secret: secret0123456789\n")
	h.write("etc/caddy/tsig/tsig.example.com.key", keyFile("tsig.example.com", key.Secret))
	h.write("etc/caddy/tokens/home-router", "token-of-the-home-router")
	if err := h.start(); err != nil {
		t.Fatal(err)
	}
	token := func() string { return h.read("etc/caddy/tokens/home-router") }
	first := token()
	h.expect(first, home, "192.0.2.1", "good 192.0.2.1")
	h.expect(first, other, "192.0.2.1", "good 192.0.2.1")
	h.expect("secret0123456789", other, "192.0.2.1", "nochg 192.0.2.1")

	t.Run("reload", func(t *testing.T) {
		h.write("etc/caddy/dyndns.yml", "secret: another0123456789\n")
		h.write("etc/caddy/tsig/tsig.example.com.key", keyFile("tsig.example.com", []byte("another secret of another length")))
		revoke := step(t, 0)
		h.shell(strings.Replace(revoke, " --force", "", 1), nil)
		h.expect(first, home, "192.0.2.2", "good 192.0.2.2")
		h.expect("secret0123456789", other, "192.0.2.1", "nochg 192.0.2.1")
		h.shell(revoke, nil)
		h.expect(first, home, "192.0.2.3", "badauth")
		h.expect("secret0123456789", other, "192.0.2.1", "badauth")
		h.expect(token(), home, "192.0.2.2", "nochg 192.0.2.2")
		h.expect("another0123456789", other, "192.0.2.2", "dnserr")
	})
	t.Run("backup and restore", func(t *testing.T) {
		h.shell("caddy dyndns-client add ada --host ada.dyn.example.com > ada.token", nil)
		ada, router := h.read("ada.token"), token()
		h.expect(ada, "ada.dyn.example.com", "192.0.2.7", "good 192.0.2.7")
		h.shell("systemctl restart caddy-dyndns", nil) // which writes the statistics
		before := serial(t, port)
		h.shell(step(t, 1), nil)
		h.expect(ada, "ada.dyn.example.com", "192.0.2.8", "good 192.0.2.8")
		if info, err := os.Stat(h.dir + "/var/backups/dyndns/storage.tar"); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the backup is %v, %v", info, err)
		}
		h.kill()
		// A serial is the Unix time, or one more than before.
		await.True(t, "a later second", func() bool { return time.Now().Unix() > int64(before) })
		for _, lost := range []string{"etc/caddy", "var/lib/caddy"} {
			if err := os.RemoveAll(filepath.Join(h.dir, lost)); err != nil {
				t.Fatal(err)
			}
		}
		h.shell("mkdir -p /var/lib/caddy", nil) // the home of the service's user
		h.shell(step(t, 2), nil)
		h.expect(ada, "ada.dyn.example.com", "192.0.2.7", "nochg 192.0.2.7")
		h.expect(router, home, "192.0.2.2", "nochg 192.0.2.2")
		if after := serial(t, port); after <= before {
			t.Errorf("the serial is %d after %d", after, before)
		}
		if statistics, err := h.get("/statistics/updates-by-fqdn", ada); err != nil || !strings.Contains(statistics, "192.0.2.7") {
			t.Errorf("%v; the statistics are\n%s", err, statistics)
		}
	})
	t.Run("upgrade", func(t *testing.T) {
		h.write("caddy", strings.Replace(h.read("usr/bin/caddy"), "exec", "NEW_PROGRAM=1 exec", 1)+"\n")
		h.shell(step(t, 3), nil)
		environ, err := os.ReadFile("/proc/" + h.pid() + "/environ")
		if err != nil || !strings.Contains(string(environ), "\x00NEW_PROGRAM=1\x00") {
			t.Errorf("the old program runs, %v", err)
		}
		if strings.Contains(h.read("usr/bin/caddy.old"), "NEW_PROGRAM") {
			t.Error("the old program is not kept")
		}
		h.expect(token(), home, "192.0.2.2", "nochg 192.0.2.2")
	})
}

// serial asks for that of the zone with serve.
func serial(t *testing.T, nameserver string) uint32 {
	t.Helper()
	reply, err := dns.Exchange(new(dns.Msg).SetQuestion("dyn.example.com.", dns.TypeSOA), nameserver)
	if err != nil || len(reply.Answer) == 0 {
		t.Fatal(reply, err)
	}
	return reply.Answer[0].(*dns.SOA).Serial
}
