package caddytest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
)

// Key signs the updates of the test nameservers.
var Key = dnstest.Key{Name: "key.example.", Algorithm: "hmac-sha256", Secret: []byte("0123456789abcdef0123456789abcdef")}

// Nameserver starts a primary for the zones.
func Nameserver(t testing.TB, zones ...string) *dnstest.Server {
	t.Helper()
	var all []dnstest.Zone
	for _, name := range zones {
		all = append(all, dnstest.Zone{Name: name, Keys: []dnstest.Key{Key}})
	}
	ns := dnstest.NewServer(all...)
	t.Cleanup(ns.Close)
	return ns
}

// HoldUpdates starts a proxy before a nameserver that keeps UPDATE messages back
// until release is called. held tells of each.
func HoldUpdates(t testing.TB, nameserver string) (addr string, held <-chan struct{}, release func()) {
	t.Helper()
	p := dnstest.NewProxy(nameserver)
	t.Cleanup(p.Close)
	arrived, until := make(chan struct{}, 100), make(chan struct{})
	p.SetFault(dnstest.OnUpdates(func(dnstest.Exchange) dnstest.Action {
		// Who waits wants the first ones; the proxy must not wait for them.
		select {
		case arrived <- struct{}{}:
		default:
		}
		return dnstest.Hold(until)
	}))
	release = sync.OnceFunc(func() { close(until) })
	t.Cleanup(release)
	return p.Addr(), arrived, release
}

// Receive waits for a value, but not forever.
func Receive[T any](t testing.TB, from <-chan T, what string) T {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(2 * time.Minute):
		t.Fatalf("no %s", what)
		panic("unreachable")
	}
}

// ZoneBlock configures a zone on a nameserver.
func ZoneBlock(zone, nameserver string) string {
	return fmt.Sprintf("zone %s {\ntsig_key %s %s %s\nnameserver %s\n}\n", zone,
		Key.Name, Key.Algorithm, base64.StdEncoding.EncodeToString(Key.Secret), nameserver)
}

// ClientBlocks are the clients of the tests' services.
const ClientBlocks = "secret " + CanarySecret + `
client home {
	token ` + CanaryToken + `
	hosts home.dyn.test
}
client below {
	token canary-token_below-dyn-test
	hosts *.dyn.test
}
`

// ServiceSite is a site on the plain HTTP port with ClientBlocks, further words and the
// zone dyn.test on a nameserver.
func ServiceSite(ns *dnstest.Server, words string) string {
	return "http://:{$HTTP_PORT} {\ndyndns {\n" + ClientBlocks + ZoneBlock("dyn.test", ns.Addr()) + words +
		"\n}\nrespond \"the site's own\" 418\n}\n"
}

// DNSSockets opens sockets for the nameserver that is brought along. It returns what its
// option listen wants and the address.
func DNSSockets(t testing.TB) (listen, addr string) {
	t.Helper()
	port := ReservePort(t)
	tcp, udp, err := port.Listen()
	if err != nil {
		t.Fatal(err)
	}
	var numbers []any
	for _, socket := range []interface{ File() (*os.File, error) }{tcp.(*net.TCPListener), udp.(*net.UDPConn)} {
		file, err := socket.File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
		numbers = append(numbers, file.Fd())
	}
	if err := errors.Join(tcp.Close(), udp.Close()); err != nil { // the files go on
		t.Fatal(err)
	}
	return fmt.Sprintf("fd/%d fdgram/%d", numbers...), port.Addr()
}
