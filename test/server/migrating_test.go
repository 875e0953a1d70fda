package server

import (
	"encoding/base64"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
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
		path   = "/update-by-path/" + caddytest.CanarySecret + "/"
		query  = "/update-by-query?secret=" + caddytest.CanarySecret + "&"
		remove = "/delete-by-path/" + caddytest.CanarySecret + "/home.dyn.test"
		a1     = "home 300 IN A 192.0.2.1"
		aaaa1  = "home 300 IN AAAA 2001:db8::1"
		noAAAA = "UNCHANGED: home.dyn.test. AAAA None\n"
	)
	cases := map[string]seedCase{
		"new A, no AAAA":               {requests: []string{path + "home.dyn.test/192.0.2.1"}, status: 200, want: "UPDATED: home.dyn.test. A None -> 192.0.2.1\n" + noAAAA, serial: 1},
		"A again":                      {records: []string{a1}, requests: []string{path + "home.dyn.test/192.0.2.1"}, status: 200, want: "UNCHANGED: home.dyn.test. A 192.0.2.1\n" + noAAAA},
		"both families in one request": {requests: []string{path + "home.dyn.test/2001:db8::1/192.0.2.1"}, status: 200, want: "UPDATED: home.dyn.test. A None -> 192.0.2.1\nUPDATED: home.dyn.test. AAAA None -> 2001:db8::1\n", serial: 1},
		"A given, AAAA exists":         {records: []string{aaaa1}, requests: []string{path + "home.dyn.test/192.0.2.1"}, status: 200, want: "UPDATED: home.dyn.test. A None -> 192.0.2.1\nUNCHANGED: home.dyn.test. AAAA 2001:db8::1\n", serial: 1},
		"empty `ipv4=`":                {records: []string{a1}, requests: []string{query + "fqdn=home.dyn.test&ipv4=&ipv6=2001:db8::1"}, status: 200, want: "UNCHANGED: home.dyn.test. A 192.0.2.1\nUPDATED: home.dyn.test. AAAA None -> 2001:db8::1\n", serial: 1},
		"no address":                   {requests: []string{path + "home.dyn.test"}, status: 400, want: "IP_ADDRESS_ERROR: your address 127.0.0.1 is a loopback address; give one\n"},
		"client `::ffff:198.51.100.7`": {requests: []string{path + "home.dyn.test"}, headers: []string{"X-Forwarded-For: ::ffff:198.51.100.7"}, status: 200, want: "UPDATED: home.dyn.test. A None -> 198.51.100.7\n" + noAAAA, serial: 1},
		"same address, other `ttl`":    {records: []string{a1}, requests: []string{query + "fqdn=home.dyn.test&ipv4=192.0.2.1&ttl=60"}, status: 200, want: "UPDATED: home.dyn.test. A 192.0.2.1 -> 192.0.2.1\n" + noAAAA, serial: 1},
		"`ttl=abc`, `ttl=-1`":          {requests: []string{query + "fqdn=home.dyn.test&ipv4=192.0.2.1&ttl=-1"}, status: 400, want: "PARAMETER_ERROR: …"},
		"wrong secret":                 {requests: []string{"/update-by-path/1234567890/home.dyn.test/192.0.2.1"}, status: 403, want: "PARAMETER_ERROR: …"},
		"unknown argument":             {requests: []string{query + "fqdn=home.dyn.test&foo=1"}, status: 400, want: "PARAMETER_ERROR: …"},
		"repeated argument":            {requests: []string{query + "fqdn=home.dyn.test&ipv4=192.0.2.1&ipv4=192.0.2.2"}, status: 400, want: "PARAMETER_ERROR: …"},
		"bad address":                  {requests: []string{path + "home.dyn.test/192.0.2.256"}, status: 400, want: "IP_ADDRESS_ERROR: …"},
		"name in no zone":              {requests: []string{path + "home.example.org/192.0.2.1"}, status: 404, want: "DNS_NAME_ERROR: …"},
		"no name at all":               {requests: []string{query + "ipv4=192.0.2.1"}, status: 400, want: "PARAMETER_ERROR: …"},
		"`zone_name=dyn.test&record_name=home.dyn.test`": {requests: []string{query + "zone_name=dyn.test&record_name=home.dyn.test&ipv4=192.0.2.1"}, status: 200, want: "UPDATED: home.dyn.test. A None -> 192.0.2.1\n" + noAAAA, serial: 1},
		"`zone_name=dyn.test&record_name=home.`":         {requests: []string{query + "zone_name=dyn.test&record_name=home.&ipv4=192.0.2.1"}, status: 200, want: "UPDATED: home.dyn.test. A None -> 192.0.2.1\n" + noAAAA, serial: 1},
		"`fqdn` with the `zone_name` it lies in":         {requests: []string{query + "zone_name=dyn.test&fqdn=home.dyn.test&ipv4=192.0.2.1"}, status: 200, want: "UPDATED: home.dyn.test. A None -> 192.0.2.1\n" + noAAAA, serial: 1},
		"`fqdn` with another `zone_name`":                {requests: []string{query + "zone_name=test&fqdn=home.dyn.test&ipv4=192.0.2.1"}, status: 400, want: "DNS_NAME_ERROR: …"},
		"a name with an umlaut":                          {requests: []string{path + "m%C3%BCller.dyn.test/192.0.2.1"}, status: 200, want: "UPDATED: xn--mller-kva.dyn.test. A None -> 192.0.2.1\n…", serial: 1},
		"two addresses of one family":                    {requests: []string{path + "home.dyn.test/192.0.2.1/192.0.2.2"}, status: 400, want: "IP_ADDRESS_ERROR: …"},
		"no secret":                                      {requests: []string{"/update-by-query?fqdn=home.dyn.test&ipv4=192.0.2.1"}, status: 401, want: "PARAMETER_ERROR: …"},
		"`/`":                                            {requests: []string{"/"}, status: 200, want: "…"},
		"any other path":                                 {requests: []string{"/nonsense"}, status: 404},
		"`notdyn.test` with the zone `dyn.test`":         {requests: []string{path + "notdyn.test/192.0.2.1"}, status: 404, want: "DNS_NAME_ERROR: …"},
		"upper case, `*.` or the zone's apex":            {requests: []string{path + "DYN.test/192.0.2.1", path + "*.Dyn.test/192.0.2.1"}, status: 200, want: "UPDATED: *.dyn.test. A None -> 192.0.2.1\n…", serial: 1},
		"the nameserver refuses":                         {requests: []string{path + "denied.dyn.test/192.0.2.1"}, status: 502, want: "DNS_SERVER_ERROR: …"},
		"a CNAME stands at the name":                     {records: []string{"home 300 IN CNAME www.example.org."}, requests: []string{path + "home.dyn.test/192.0.2.1"}, status: 409, want: "DNS_SERVER_ERROR: …"},
		"TSIG key unknown or wrong":                      {requests: []string{path + "home.wrong-key.test/192.0.2.1"}, status: 502, want: "DNS_SERVER_ERROR: …"},
		"the nameserver is down":                         {requests: []string{path + "home.down.test/192.0.2.1"}, status: 502, want: "DNS_SERVER_ERROR: …"},
		"delete, record exists":                          {records: []string{a1}, requests: []string{remove}, status: 200, want: "UPDATED: home.dyn.test. A 192.0.2.1 -> None\n" + noAAAA, serial: 1},
		"delete, no record":                              {requests: []string{remove}, status: 200, want: "UNCHANGED: home.dyn.test. A None\n" + noAAAA},
		"delete, the nameserver refuses":                 {records: []string{"denied 300 IN A 192.0.2.1"}, requests: []string{"/delete-by-path/" + caddytest.CanarySecret + "/denied.dyn.test"}, status: 502, want: "DNS_SERVER_ERROR: …"},
		"HEAD":                                           {requests: []string{"HEAD " + path + "home.dyn.test/192.0.2.1"}, status: 405},
		"POST":                                           {requests: []string{"POST /update-by-query"}, headers: []string{"Content-Type: application/x-www-form-urlencoded"}, body: "secret=" + caddytest.CanarySecret + "&fqdn=home.dyn.test&ipv4=192.0.2.1", status: 200, want: "UPDATED: home.dyn.test. A None -> 192.0.2.1\n" + noAAAA, serial: 1},
		"`/check`":                                       {requests: []string{"/check"}, status: 401, want: "PARAMETER_ERROR: …"},
		"statistics":                                     {requests: []string{"/statistics/updates-by-fqdn"}, status: 401, want: "You need the secret…"},
	}
	runRows(t, "| request | 1.1.1 | 2.0.0 | here |\n", cases)
}

// asHost and asUser are Basic credentials: the host, or anything, as user name.
var (
	asHost = "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("home.dyn.test:"+migratingToken))
	asUser = "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("me:"+migratingToken))
)

const migratingToken = "0123456789abcdef-migrating"

// The requests that clients of nsupdate.info send.
func TestMigratingFromNsupdateInfo(t *testing.T) {
	const a1 = "home 300 IN A 192.0.2.1"
	from := "X-Forwarded-For: 198.51.100.7"
	basic := []string{asHost, from}
	runRows(t, "| request to nsupdate.info | there | here |\n", map[string]seedCase{
		"`/nic/update` without a credential":   {requests: []string{"/nic/update"}, headers: []string{from}, status: 401, want: "badauth"},
		"wrong password":                       {requests: []string{"/nic/update"}, headers: []string{from, "Authorization: Basic eDp3cm9uZ3dyb25n"}, status: 401, want: "badauth"},
		"`/nic/update`, the host as user name": {requests: []string{"/nic/update"}, headers: basic, status: 200, want: "good 198.51.100.7", serial: 1},
		"the same again":                       {requests: []string{"/nic/update", "/nic/update"}, headers: basic, status: 200, want: "nochg 198.51.100.7"},
		"`?myip=192.0.2.2`":                    {requests: []string{"/nic/update?myip=192.0.2.2"}, headers: basic, status: 200, want: "good 192.0.2.2", serial: 1},
		"`?myip=192.0.2.2,2001:db8::2`":        {requests: []string{"/nic/update?myip=192.0.2.2,2001:db8::2"}, headers: basic, status: 200, want: "good 192.0.2.2,2001:db8::2", serial: 1},
		"`?hostname=` of somebody else":        {requests: []string{"/nic/update?hostname=foreign.dyn.test"}, headers: basic, status: 200, want: "nohost"},
		"`?hostname=` that is no name":         {requests: []string{"/nic/update?hostname=a..b"}, headers: basic, status: 200, want: "notfqdn"},
		"`?myip=` that is no address":          {requests: []string{"/nic/update?myip=home"}, headers: basic, status: 200, want: "dnserr"},
		"`/nic/delete?myip=0.0.0.0`, `::`":     {records: []string{a1, "home 300 IN AAAA 2001:db8::1"}, requests: []string{"/nic/delete?myip=0.0.0.0", "/nic/delete?myip=::"}, headers: basic, status: 200, want: "deleted AAAA", serial: 1},
		"`/nic/delete`":                        {records: []string{a1}, requests: []string{"/nic/delete"}, headers: basic, status: 200, want: "deleted A", serial: 1},
		"`/myip`":                              {requests: []string{"/myip"}, headers: []string{from}, status: 200, want: "198.51.100.7\n"},
		"nameserver unreachable":               {requests: []string{"/nic/update?hostname=home.down.test&myip=192.0.2.2"}, headers: basic, status: 503, want: "911"},
	})
}

// The requests that clients of deSEC send.
func TestMigratingFromDeSEC(t *testing.T) {
	const (
		a1    = "home 300 IN A 192.0.2.1"
		aaaa1 = "home 300 IN AAAA 2001:db8::1"
	)
	basic := []string{asHost}
	runRows(t, "| request to update.dedyn.io | there | here |\n", map[string]seedCase{
		"`/?hostname=…&myip=192.0.2.2`, any path": {requests: []string{"/update?hostname=home.dyn.test&myip=192.0.2.1", "/?hostname=home.dyn.test&myip=192.0.2.2"}, headers: basic, status: 200, want: "good 192.0.2.2", serial: 1},
		"the same again":                        {requests: []string{"/?hostname=home.dyn.test&myip=192.0.2.2", "/?hostname=home.dyn.test&myip=192.0.2.2"}, headers: basic, status: 200, want: "nochg 192.0.2.2"},
		"no `hostname`, the host as user name":  {requests: []string{"/?myip=192.0.2.2"}, headers: basic, status: 200, want: "good 192.0.2.2", serial: 1},
		"`?username=` and `?password=`":         {requests: []string{"/?username=home.dyn.test&password=" + migratingToken + "&myip=192.0.2.2"}, status: 200, want: "good 192.0.2.2", serial: 1},
		"`Authorization: Token`":                {requests: []string{"/?hostname=home.dyn.test&myip=192.0.2.2"}, headers: []string{"Authorization: Token " + migratingToken}, status: 200, want: "good 192.0.2.2", serial: 1},
		"`?host_id=`":                           {requests: []string{"/?host_id=home.dyn.test&myip=192.0.2.2"}, headers: basic, status: 200, want: "good 192.0.2.2", serial: 1},
		"no host at all":                        {requests: []string{"/nic/update?myip=192.0.2.2"}, headers: []string{asUser}, status: 200, want: "good 192.0.2.2", serial: 1},
		"`?myipv4=preserve&myipv6=2001:db8::2`": {records: []string{a1}, requests: []string{"/?hostname=home.dyn.test&myipv4=preserve&myipv6=2001:db8::2"}, headers: basic, status: 200, want: "good 192.0.2.1,2001:db8::2", serial: 1},
		"`?myipv4=&myipv6=2001:db8::2`":         {records: []string{a1}, requests: []string{"/?hostname=home.dyn.test&myipv4=&myipv6=2001:db8::2"}, headers: basic, status: 200, want: "good 2001:db8::2", serial: 1},
		"`?myipv6=2001:db8:1:2::/64`":           {records: []string{aaaa1}, requests: []string{"/?hostname=home.dyn.test&myipv6=2001:db8:1:2::/64"}, headers: basic, status: 200, want: "good 2001:db8:1:2::1", serial: 1},
		"`?myipv6:nas.…=2001:db8:1:2::/64`":     {records: []string{"nas.home 300 IN AAAA 2001:db8::a"}, requests: []string{"/?hostname=home.dyn.test&myip=192.0.2.2&myipv6:nas.home.dyn.test=2001:db8:1:2::/64"}, headers: basic, status: 200, want: "good 192.0.2.2\ngood 2001:db8:1:2::a", serial: 1},
		"`?myipv4=192.0.2.0/24`":                {records: []string{a1}, requests: []string{"/?hostname=home.dyn.test&myipv4=192.0.2.0/24"}, headers: basic, status: 200, want: "dnserr"},
		"several hosts":                         {requests: []string{"/?hostname=home.dyn.test,nas.home.dyn.test&myip=192.0.2.2"}, headers: basic, status: 200, want: "good 192.0.2.2\ngood 192.0.2.2", serial: 1},
		"somebody else's host":                  {requests: []string{"/?hostname=foreign.dyn.test&myip=192.0.2.2"}, headers: basic, status: 200, want: "nohost"},
		"wrong token":                           {requests: []string{"/?hostname=home.dyn.test&myip=192.0.2.2"}, headers: []string{"Authorization: Token wrongwrongwrongwrong"}, status: 401, want: "badauth"},
	})
}

// runRows runs the case of each row of a table in docs/migrating.md.
func runRows(t *testing.T, head string, cases map[string]seedCase) {
	text, err := os.ReadFile("../../docs/migrating.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(text), head)
	if !ok {
		t.Fatalf("docs/migrating.md has no table %s", head)
	}
	rows := 0
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "|") {
			break
		}
		row, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		if strings.HasPrefix(row, "|---") {
			continue
		}
		rows++
		t.Run(row, func(t *testing.T) {
			c, ok := cases[row]
			if !ok {
				t.Fatal("docs/migrating.md has a row that is not tested")
			}
			c.run(t)
		})
	}
	if rows != len(cases) {
		t.Errorf("docs/migrating.md has %d rows, the test %d", rows, len(cases))
	}
}

func (c seedCase) run(t *testing.T) {
	ns := dnstest.NewServer(dnstest.Zone{
		Name: "dyn.test", Keys: []dnstest.Key{caddytest.Key}, Records: c.records,
		Allow: func(_, owner string, _ uint16) bool { return owner != "denied.dyn.test." },
	}, dnstest.Zone{Name: "wrong-key.test", Keys: []dnstest.Key{caddytest.Key}})
	defer ns.Close()
	s := caddytest.Serve(t, strictProxies, "http://:{$HTTP_PORT} {\ndyndns {\ndomain localhost\n"+
		"secret "+caddytest.CanarySecret+"\nclient home {\ntoken "+migratingToken+"\nhosts home.dyn.test *.home.dyn.test *.down.test\n}\n"+caddytest.ZoneBlock("dyn.test", ns.Addr())+
		"zone wrong-key.test {\ntsig_key "+caddytest.Key.Name+" hmac-sha256 c2VjcmV0\nnameserver "+ns.Addr()+"\n}\n"+
		caddytest.ZoneBlock("down.test", caddytest.ReservePort(t).Addr())+"}\nrespond 404\n}\n")
	zone := ns.Zone("dyn.test")
	var got caddytest.Reply
	var before uint32
	for _, request := range c.requests {
		method, path, ok := strings.Cut(request, " ")
		if !ok {
			method, path = http.MethodGet, request
		}
		before = zone.Serial()
		var err error
		if got, err = s.Do(method, strings.Replace(s.HTTP, "127.0.0.1", "localhost", 1)+path, c.body, c.headers...); err != nil {
			t.Fatal(err)
		}
	}
	beginning, partial := strings.CutSuffix(c.want, "…")
	if got.Status != c.status || got.Body != c.want && !(partial && strings.HasPrefix(got.Body, beginning)) {
		t.Errorf("got %d %q", got.Status, got.Body)
	}
	if raised := zone.Serial() - before; raised != c.serial {
		t.Errorf("the serial was raised by %d, want %d", raised, c.serial)
	}
	if c.status >= 400 && len(zone.Lookup("home.dyn.test.", dns.TypeA)) != 0 {
		t.Error("a refused request changed the zone")
	}
}
