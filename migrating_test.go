package dyndns

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
)

// seedCase is a row of the table in docs/migrating.md: what the zone holds, the
// requests, and the status and text of the last reply.
type seedCase struct {
	records  []string
	requests []string // a path, preceded by a method if that is not GET
	headers  []string
	body     string
	status   int
	want     string // the whole reply, or its beginning if it ends in "…"
	serial   uint32 // how far the last request raised it
}

// The requests that the Flask application was asked, with the answers that the
// table promises.
func TestMigrating(t *testing.T) {
	const (
		path   = "/update-by-path/" + canarySecret + "/"
		query  = "/update-by-query?secret=" + canarySecret + "&"
		remove = "/delete-by-path/" + canarySecret + "/home.dyn.test"
		a1     = "home 300 IN A 192.0.2.1"
		aaaa1  = "home 300 IN AAAA 2001:db8::1"
		noAAAA = "UNCHANGED: home.dyn.test. AAAA None\n"
	)
	cases := map[string]seedCase{
		"new A, no AAAA":                         {requests: []string{path + "home.dyn.test/192.0.2.1"}, status: 200, want: "UPDATED: home.dyn.test. A None -> 192.0.2.1\n" + noAAAA, serial: 1},
		"A again":                                {records: []string{a1}, requests: []string{path + "home.dyn.test/192.0.2.1"}, status: 200, want: "UNCHANGED: home.dyn.test. A 192.0.2.1\n" + noAAAA},
		"both families in one request":           {requests: []string{path + "home.dyn.test/2001:db8::1/192.0.2.1"}, status: 200, want: "UPDATED: home.dyn.test. A None -> 192.0.2.1\nUPDATED: home.dyn.test. AAAA None -> 2001:db8::1\n", serial: 1},
		"A given, AAAA exists":                   {records: []string{aaaa1}, requests: []string{path + "home.dyn.test/192.0.2.1"}, status: 200, want: "UPDATED: home.dyn.test. A None -> 192.0.2.1\nUNCHANGED: home.dyn.test. AAAA 2001:db8::1\n", serial: 1},
		"empty `ipv4=`":                          {records: []string{a1}, requests: []string{query + "fqdn=home.dyn.test&ipv4=&ipv6=2001:db8::1"}, status: 200, want: "UNCHANGED: home.dyn.test. A 192.0.2.1\nUPDATED: home.dyn.test. AAAA None -> 2001:db8::1\n", serial: 1},
		"no address":                             {requests: []string{path + "home.dyn.test"}, status: 400, want: "IP_ADDRESS_ERROR: your address 127.0.0.1 is a loopback address; give one\n"},
		"client `::ffff:198.51.100.7`":           {requests: []string{path + "home.dyn.test"}, headers: []string{"X-Forwarded-For: ::ffff:198.51.100.7"}, status: 200, want: "UPDATED: home.dyn.test. A None -> 198.51.100.7\n" + noAAAA, serial: 1},
		"same address, other `ttl`":              {records: []string{a1}, requests: []string{query + "fqdn=home.dyn.test&ipv4=192.0.2.1&ttl=60"}, status: 200, want: "UPDATED: home.dyn.test. A 192.0.2.1 -> 192.0.2.1\n" + noAAAA, serial: 1},
		"`ttl=abc`, `ttl=-1`":                    {requests: []string{query + "fqdn=home.dyn.test&ipv4=192.0.2.1&ttl=-1"}, status: 400, want: "PARAMETER_ERROR: …"},
		"wrong secret":                           {requests: []string{"/update-by-path/1234567890/home.dyn.test/192.0.2.1"}, status: 403, want: "PARAMETER_ERROR: …"},
		"unknown argument":                       {requests: []string{query + "fqdn=home.dyn.test&foo=1"}, status: 400, want: "PARAMETER_ERROR: …"},
		"repeated argument":                      {requests: []string{query + "fqdn=home.dyn.test&ipv4=192.0.2.1&ipv4=192.0.2.2"}, status: 400, want: "PARAMETER_ERROR: …"},
		"bad address":                            {requests: []string{path + "home.dyn.test/192.0.2.256"}, status: 400, want: "IP_ADDRESS_ERROR: …"},
		"name in no zone":                        {requests: []string{path + "home.example.org/192.0.2.1"}, status: 404, want: "DNS_NAME_ERROR: …"},
		"`notdyn.test` with the zone `dyn.test`": {requests: []string{path + "notdyn.test/192.0.2.1"}, status: 404, want: "DNS_NAME_ERROR: …"},
		"upper case, `*.` or the zone's apex":    {requests: []string{path + "DYN.test/192.0.2.1", path + "*.Dyn.test/192.0.2.1"}, status: 200, want: "UPDATED: *.dyn.test. A None -> 192.0.2.1\n…", serial: 1},
		"the nameserver refuses":                 {requests: []string{path + "denied.dyn.test/192.0.2.1"}, status: 502, want: "DNS_SERVER_ERROR: …"},
		"a CNAME stands at the name":             {records: []string{"home 300 IN CNAME www.example.org."}, requests: []string{path + "home.dyn.test/192.0.2.1"}, status: 409, want: "DNS_SERVER_ERROR: …"},
		"TSIG key unknown or wrong":              {requests: []string{path + "home.wrong-key.test/192.0.2.1"}, status: 502, want: "DNS_SERVER_ERROR: …"},
		"the nameserver is down":                 {requests: []string{path + "home.down.test/192.0.2.1"}, status: 502, want: "DNS_SERVER_ERROR: …"},
		"delete, record exists":                  {records: []string{a1}, requests: []string{remove}, status: 200, want: "UPDATED: home.dyn.test. A 192.0.2.1 -> None\n" + noAAAA, serial: 1},
		"delete, no record":                      {requests: []string{remove}, status: 200, want: "UNCHANGED: home.dyn.test. A None\n" + noAAAA},
		"delete, the nameserver refuses":         {records: []string{"denied 300 IN A 192.0.2.1"}, requests: []string{"/delete-by-path/" + canarySecret + "/denied.dyn.test"}, status: 502, want: "DNS_SERVER_ERROR: …"},
		"HEAD":                                   {requests: []string{"HEAD " + path + "home.dyn.test/192.0.2.1"}, status: 405},
		"POST":                                   {requests: []string{"POST /update-by-query"}, headers: []string{"Content-Type: application/x-www-form-urlencoded"}, body: "secret=" + canarySecret + "&fqdn=home.dyn.test&ipv4=192.0.2.1", status: 200, want: "UPDATED: home.dyn.test. A None -> 192.0.2.1\n" + noAAAA, serial: 1},
		"`/check`":                               {requests: []string{"/check"}, status: 401, want: "PARAMETER_ERROR: …"},
		"statistics":                             {requests: []string{"/statistics/updates-by-fqdn"}, status: 401, want: "Statistics need…"},
	}
	for _, row := range seedRows(t) {
		t.Run(row, func(t *testing.T) {
			c, ok := cases[row]
			if !ok {
				t.Fatal("docs/migrating.md has a row that is not tested")
			}
			c.run(t)
		})
	}
}

// seedRows are the first cells of the table of requests.
func seedRows(t *testing.T) []string {
	text, err := os.ReadFile("docs/migrating.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| request | 1.1.1 | 2.0.0 | here |\n")
	var rows []string
	for line := range strings.Lines(table) {
		cells := strings.Split(line, " | ")
		if len(cells) == 4 {
			rows = append(rows, strings.TrimPrefix(cells[0], "| "))
		}
	}
	if len(rows) == 0 {
		t.Fatal("docs/migrating.md has no table of requests")
	}
	return rows
}

func (c seedCase) run(t *testing.T) {
	ns := dnstest.NewServer(dnstest.Zone{
		Name: "dyn.test", Keys: []dnstest.Key{testKey}, Records: c.records,
		Allow: func(_, owner string, _ uint16) bool { return owner != "denied.dyn.test." },
	}, dnstest.Zone{Name: "wrong-key.test", Keys: []dnstest.Key{testKey}})
	defer ns.Close()
	s := serve(t, strictProxies, "http://:{$HTTP_PORT} {\ndyndns {\ndomain localhost\n"+
		"secret "+canarySecret+"\n"+zoneBlock("dyn.test", ns.Addr())+
		"zone wrong-key.test {\ntsig_key "+testKey.Name+" hmac-sha256 c2VjcmV0\nnameserver "+ns.Addr()+"\n}\n"+
		zoneBlock("down.test", reservePort(t).Addr())+"}\n}\n")
	zone := ns.Zone("dyn.test")
	var got reply
	var before uint32
	for _, request := range c.requests {
		method, path, ok := strings.Cut(request, " ")
		if !ok {
			method, path = http.MethodGet, request
		}
		before = zone.Serial()
		var err error
		if got, err = s.do(method, strings.Replace(s.http, "127.0.0.1", "localhost", 1)+path, c.body, c.headers...); err != nil {
			t.Fatal(err)
		}
	}
	beginning, partial := strings.CutSuffix(c.want, "…")
	if got.status != c.status || got.body != c.want && !(partial && strings.HasPrefix(got.body, beginning)) {
		t.Errorf("got %d %q", got.status, got.body)
	}
	if raised := zone.Serial() - before; raised != c.serial {
		t.Errorf("the serial was raised by %d, want %d", raised, c.serial)
	}
	if c.status >= 400 && len(zone.Lookup("home.dyn.test.", dns.TypeA)) != 0 {
		t.Error("a refused request changed the zone")
	}
}
