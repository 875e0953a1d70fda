package server

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

// servedSite is a site whose zone is served by the nameserver that is brought along, with
// further words about that.
func servedSite(words string) string {
	return "http://:{$HTTP_PORT} {\ndyndns {\n" + caddytest.ClientBlocks + "zone dyn.test {\nserve {\nns ns1.dyn.test ns2.example.net\nrecord ns1 A 192.0.2.53\n" + words + "\n}\n}\n}\n}\n"
}

// newServed prepares Caddy with the nameserver, and returns where that answers.
func newServed(t *testing.T) (*caddytest.Server, string) {
	t.Helper()
	listen, addr := caddytest.DNSSockets(t)
	s := caddytest.New(t, "")
	s.Global = "dyndns_nameserver {\nlisten " + listen + "\ndatabase " + s.Dir + "/zones.db\n}"
	return s, addr
}

// answer returns the rcode and the data of the answer to a question, sorted.
func answer(t *testing.T, network, addr, name string, kind uint16) string {
	t.Helper()
	reply, _, err := (&dns.Client{Net: network}).Exchange(new(dns.Msg).SetQuestion(name, kind), addr)
	if err != nil {
		return err.Error()
	}
	var data []string
	for _, rr := range reply.Answer {
		data = append(data, strings.TrimPrefix(rr.String(), rr.Header().String()))
	}
	slices.Sort(data)
	return strings.TrimSpace(dns.RcodeToString[reply.Rcode] + " " + strings.Join(data, " "))
}

// A zone that Caddy serves itself is changed, asked for, and there again after a reload, a
// reload that fails and a restart.
func TestServe(t *testing.T) {
	s, addr := newServed(t)
	if err := s.Load(servedSite(`record @ CAA 0 issue "letsencrypt.org"`)); err != nil {
		t.Fatal(err)
	}
	update := func(host, address string) string {
		t.Helper()
		return s.Get(s.HTTP+"/nic/update?hostname="+host+"&myip="+address, caddytest.BasicAuth("x", caddytest.CanarySecret)).Body
	}
	check := func(when, name string, kind uint16, want string) {
		t.Helper()
		for _, network := range []string{"udp", "tcp"} {
			if got := answer(t, network, addr, name, kind); got != want {
				t.Errorf("%s, over %s: %s, want %s", when, network, got, want)
			}
		}
	}
	if got := update("home.dyn.test", "192.0.2.1"); got != "good 192.0.2.1" {
		t.Errorf("the update: %s", got)
	}
	if got := update("home.dyn.test", "192.0.2.1"); got != "nochg 192.0.2.1" {
		t.Errorf("again: %s", got)
	}
	if got := update("ns1.dyn.test", "192.0.2.1"); got != "dnserr" {
		t.Errorf("a name of the configuration: %s", got)
	}
	check("a name", "home.dyn.test.", dns.TypeA, "NOERROR 192.0.2.1")
	check("another name", "none.dyn.test.", dns.TypeA, "NXDOMAIN")
	check("another zone", "example.com.", dns.TypeA, "REFUSED")
	check("the nameservers", "dyn.test.", dns.TypeNS, "NOERROR ns1.dyn.test. ns2.example.net.")
	check("a record of the configuration", "dyn.test.", dns.TypeCAA, `NOERROR 0 issue "letsencrypt.org"`)
	if got := s.Get(s.HTTP + "/check/" + caddytest.CanarySecret); got.Status != 200 {
		t.Errorf("the self-test: %d %s", got.Status, got.Body)
	}

	if err := s.Load(servedSite(`record @ CAA 0 issue "other.example"`)); err != nil {
		t.Fatal(err)
	}
	check("after a reload", "home.dyn.test.", dns.TypeA, "NOERROR 192.0.2.1")
	check("after a reload", "dyn.test.", dns.TypeCAA, `NOERROR 0 issue "other.example"`)

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	if err := s.Load(servedSite(`record @ CAA 0 issue "third.example"`) + "http://:" + port + " {\nbind 127.0.0.1\nrespond 200\n}\n"); err == nil {
		t.Fatal("the reload did not fail")
	}
	check("after a reload that failed", "home.dyn.test.", dns.TypeA, "NOERROR 192.0.2.1")
	check("after a reload that failed", "dyn.test.", dns.TypeCAA, `NOERROR 0 issue "other.example"`)
	if got := update("home.dyn.test", "192.0.2.2"); got != "good 192.0.2.2" {
		t.Errorf("after a reload that failed: %s", got)
	}

	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := s.Load(servedSite("")); err != nil {
		t.Fatal(err)
	}
	check("after a restart", "home.dyn.test.", dns.TypeA, "NOERROR 192.0.2.2")
	check("after a restart", "dyn.test.", dns.TypeCAA, "NOERROR")
}

// What is wrong with a zone that is to be served is told when the configuration is loaded.
func TestServeErrors(t *testing.T) {
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	tests := []struct{ name, global, site, want string }{
		{"no nameserver", "", "http://:{$HTTP_PORT} {\ndyndns {\nsecret 12345678\nzone dyn.test {\nserve\n}\n}\n}\n", "zone dyn.test."},
		{"an address is missing", "", strings.Replace(servedSite(""), "record ns1 A 192.0.2.53", "", 1), "ns1.dyn.test"},
		{"a bad record", "", servedSite("record x A 192.0.2"), "record"},
		{"a word", "", servedSite("notify x"), `unrecognized subdirective "notify"`},
		{"no key file", "", servedSite("transfer /nonexistent.key"), "transfer: "},
		{"two handlers", "", servedSite("") + strings.Replace(servedSite("mail a@example.com"), "http://:", "http://other.test:", 1), "another handler serves it otherwise"},
		{"the port is taken", "listen " + taken.LocalAddr().String(), servedSite(""), fmt.Sprintf("another program listens at %s over udp", taken.LocalAddr())},
		{"no address", "listen x:1:2", servedSite(""), "no IP address"},
		{"no socket", "listen fd/x", servedSite(""), "no socket such as fd/3"},
		{"two databases", "database a.db", servedSite(""), "dyndns_nameserver: database: stands here twice"},
		{"an unknown option", "port 53", servedSite(""), `unrecognized subdirective "port"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := newServed(t)
			if tt.global != "" {
				s.Global = "dyndns_nameserver {\n" + tt.global + "\ndatabase " + s.Dir + "/zones.db\n}"
			}
			if err := s.Load(tt.site); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// To look at a configuration opens neither a socket nor the database.
func TestServeValidate(t *testing.T) {
	s, _ := newServed(t)
	config, err := s.Adapt(servedSite(""))
	if err != nil {
		t.Fatal(err)
	}
	var decoded caddy.Config
	if err := caddy.StrictUnmarshalJSON(config, &decoded); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(&decoded); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(s.Dir, "zones.db")); !os.IsNotExist(err) {
		t.Errorf("the database: %v", err)
	}
}

// A zone goes out as a zone file and comes back, by the command that an operator has.
func TestServedZoneFile(t *testing.T) {
	listen, addr := caddytest.DNSSockets(t)
	s := caddytest.New(t, adminOn)
	s.Global += "\ndyndns_nameserver {\nlisten " + listen + "\ndatabase " + s.Dir + "/zones.db\n}"
	if err := s.Load(servedSite("")); err != nil {
		t.Fatal(err)
	}
	command := func(stdin string, args ...string) (string, error) {
		cmd := caddytest.Command(append([]string{"dyndns-zone", "--address", strings.TrimPrefix(s.Admin, "http://")}, args...)...)
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.Output()
		return string(out), err
	}
	if got := s.Get(s.HTTP+"/nic/update?hostname=home.dyn.test&myip=192.0.2.1", caddytest.BasicAuth("x", caddytest.CanarySecret)).Body; got != "good 192.0.2.1" {
		t.Fatal(got)
	}
	file, err := command("", "export", "dyn.test")
	if err != nil || !strings.Contains(file, "home.dyn.test.\t300\tIN\tA\t192.0.2.1\n") || !strings.HasPrefix(file, "dyn.test.\t") {
		t.Fatalf("%v: %s", err, file)
	}
	out, err := command(strings.ReplaceAll(file, "192.0.2.1\n", "192.0.2.7\n")+"home.dyn.test. 60 IN MX 0 .\n", "import", "dyn.test", "-", "--serial-after", "3000000000")
	if err != nil || !strings.Contains(out, "left out: home.dyn.test.\t60\tIN\tMX\t0 .") {
		t.Errorf("%v: %s", err, out)
	}
	if got := answer(t, "udp", addr, "home.dyn.test.", dns.TypeA); got != "NOERROR 192.0.2.7" {
		t.Error(got)
	}
	if got := answer(t, "udp", addr, "dyn.test.", dns.TypeSOA); !strings.Contains(got, " 3000000001 ") {
		t.Error(got)
	}
	if _, err := command("x 60 IN A 192.0.2\n", "import", "dyn.test", "-"); err == nil {
		t.Error("a bad file was imported")
	}
	if _, err := command("", "export", "other.test"); err == nil {
		t.Error("another zone was exported")
	}
	response, err := http.Post(s.Admin+"/dyndns/zones/dyn.test", "text/dns", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if allowed := response.Header.Get("Allow"); response.StatusCode != http.StatusMethodNotAllowed || allowed != "GET, PUT" {
		t.Errorf("POST: %s, Allow: %s", response.Status, allowed)
	}
}
