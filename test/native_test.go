//go:build integration && linux

package test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-dyndns/dyndns/test/caddytest"
	"github.com/caddy-dyndns/dyndns/test/nameserver"
	"github.com/caddy-dyndns/dyndns/test/site"
)

const secret = "12345678secret"

// block is a dyndns directive with one zone.
func block(s *nameserver.Server, zone string, key nameserver.Key, lines ...string) string {
	return fmt.Sprintf(`dyndns {
		secret %s
		nameserver %s
		zone %s {
			tsig_key %s %s %s
		}
		%s
	}`, secret, s.Addr(), zone, key.Name, key.Algorithm, key.Secret, strings.Join(lines, "\n"))
}

// get requests a path in which SECRET stands for the secret.
func get(t *testing.T, c *site.Site, path string, headers ...string) caddytest.Reply {
	t.Helper()
	r, err := c.Get(t.Context(), strings.ReplaceAll(path, "SECRET", secret), headers...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// expect requests a path and compares the reply. want is the whole body, or with
// "…" at its end how it begins.
func expect(t *testing.T, c *site.Site, path string, status int, want string) {
	t.Helper()
	r := get(t, c, path)
	got := r.Body
	if begin, ok := strings.CutSuffix(want, "…"); ok {
		want, got = begin, got[:min(len(begin), len(got))]
	}
	if r.Status != status || got != want {
		t.Errorf("GET %s\n got %d %q\nwant %d %q", path, r.Status, r.Body, status, want)
	}
}

// The native API from the HTTP request to the nameserver's data. The rows are
// one story: each finds what those before it left.
func TestNative(t *testing.T) {
	const (
		query = "/update-by-query?secret=SECRET&fqdn=home.dyn.example.com"
		path  = "/update-by-path/SECRET/home.dyn.example.com"
	)
	rows := []struct {
		name    string
		request string
		status  int
		want    string
		writes  uint32 // by how much the serial grows
	}{
		{"one family of a new name", query + "&ipv4=192.0.2.1", 200,
			"UPDATED: home.dyn.example.com. A None -> 192.0.2.1\nUNCHANGED: home.dyn.example.com. AAAA None\n", 1},
		{"both families", query + "&ipv4=192.0.2.2&ipv6=2001:db8::2", 200,
			"UPDATED: home.dyn.example.com. A 192.0.2.1 -> 192.0.2.2\nUPDATED: home.dyn.example.com. AAAA None -> 2001:db8::2\n", 1},
		{"the same again", query + "&ipv4=192.0.2.2&ipv6=2001:db8::2", 200,
			"UNCHANGED: home.dyn.example.com. A 192.0.2.2\nUNCHANGED: home.dyn.example.com. AAAA 2001:db8::2\n", 0},
		{"one family keeps the other", query + "&ipv4=192.0.2.3", 200,
			"UPDATED: home.dyn.example.com. A 192.0.2.2 -> 192.0.2.3\nUNCHANGED: home.dyn.example.com. AAAA 2001:db8::2\n", 1},
		{"the addresses in the path", path + "/2001:db8::4/192.0.2.4", 200,
			"UPDATED: home.dyn.example.com. A 192.0.2.3 -> 192.0.2.4\nUPDATED: home.dyn.example.com. AAAA 2001:db8::2 -> 2001:db8::4\n", 1},
		{"another TTL", query + "&ipv4=192.0.2.4&ttl=60", 200,
			"UPDATED: home.dyn.example.com. A 192.0.2.4 -> 192.0.2.4\nUNCHANGED: home.dyn.example.com. AAAA 2001:db8::4\n", 1},
		{"the same TTL again", query + "&ipv4=192.0.2.4&ttl=60", 200,
			"UNCHANGED: home.dyn.example.com. A 192.0.2.4\nUNCHANGED: home.dyn.example.com. AAAA 2001:db8::4\n", 0},
		{"the zone's own TTL", query + "&ipv4=192.0.2.4", 200,
			"UPDATED: home.dyn.example.com. A 192.0.2.4 -> 192.0.2.4\nUNCHANGED: home.dyn.example.com. AAAA 2001:db8::4\n", 1},
		{"upper case and a trailing dot", "/update-by-path/SECRET/HOME.Dyn.Example.COM./192.0.2.4", 200,
			"UNCHANGED: home.dyn.example.com. A 192.0.2.4\nUNCHANGED: home.dyn.example.com. AAAA 2001:db8::4\n", 0},
		{"a mapped address", query + "&ip_1=::ffff:192.0.2.5", 200,
			"UPDATED: home.dyn.example.com. A 192.0.2.4 -> 192.0.2.5\nUNCHANGED: home.dyn.example.com. AAAA 2001:db8::4\n", 1},
		{"one family deleted", query + "&ipv4=192.0.2.5&ipv6=none", 200,
			"UNCHANGED: home.dyn.example.com. A 192.0.2.5\nUPDATED: home.dyn.example.com. AAAA 2001:db8::4 -> None\n", 1},
		{"all deleted", "/delete-by-path/SECRET/home.dyn.example.com", 200,
			"UPDATED: home.dyn.example.com. A 192.0.2.5 -> None\nUNCHANGED: home.dyn.example.com. AAAA None\n", 1},
		{"deleted again", "/delete-by-path/SECRET/home.dyn.example.com", 200,
			"UNCHANGED: home.dyn.example.com. A None\nUNCHANGED: home.dyn.example.com. AAAA None\n", 0},

		{"the apex", "/update-by-query?secret=SECRET&zone_name=dyn.example.com&record_name=@&ipv4=192.0.2.1", 200,
			"UPDATED: dyn.example.com. A None -> 192.0.2.1\nUNCHANGED: dyn.example.com. AAAA None\n", 1},
		{"a sub-label", "/update-by-query?secret=SECRET&zone_name=dyn.example.com&record_name=a.b.c&ipv6=2001:db8::1", 200,
			"UNCHANGED: a.b.c.dyn.example.com. A None\nUPDATED: a.b.c.dyn.example.com. AAAA None -> 2001:db8::1\n", 1},
		{"an empty non-terminal", "/update-by-path/SECRET/b.c.dyn.example.com/192.0.2.1", 200,
			"UPDATED: b.c.dyn.example.com. A None -> 192.0.2.1\nUNCHANGED: b.c.dyn.example.com. AAAA None\n", 1},
		{"an internationalised name", "/update-by-path/SECRET/b%C3%BCcher.dyn.example.com/192.0.2.1", 200,
			"UPDATED: xn--bcher-kva.dyn.example.com. A None -> 192.0.2.1\nUNCHANGED: xn--bcher-kva.dyn.example.com. AAAA None\n", 1},
		{"a wildcard owner", "/update-by-path/SECRET/*.home.dyn.example.com/192.0.2.1", 200,
			"UPDATED: *.home.dyn.example.com. A None -> 192.0.2.1\nUNCHANGED: *.home.dyn.example.com. AAAA None\n", 1},
		{"a wildcard owner again", "/update-by-path/SECRET/*.home.dyn.example.com/192.0.2.1", 200,
			"UNCHANGED: *.home.dyn.example.com. A 192.0.2.1\nUNCHANGED: *.home.dyn.example.com. AAAA None\n", 0},

		{"below a wildcard", "/update-by-path/SECRET/x.pool.dyn.example.com/192.0.2.5", 200,
			"UPDATED: x.pool.dyn.example.com. A None -> 192.0.2.5\nUNCHANGED: x.pool.dyn.example.com. AAAA None\n", 1},
		{"below a wildcard, its own address", "/update-by-path/SECRET/y.pool.dyn.example.com/192.0.2.99", 200,
			"UPDATED: y.pool.dyn.example.com. A None -> 192.0.2.99\nUNCHANGED: y.pool.dyn.example.com. AAAA None\n", 1},
		{"below a wildcard, deletion of what is not there", "/delete-by-path/SECRET/z.pool.dyn.example.com", 200,
			"UNCHANGED: z.pool.dyn.example.com. A None\nUNCHANGED: z.pool.dyn.example.com. AAAA None\n", 0},
		{"below a wildcard, deletion", "/delete-by-path/SECRET/x.pool.dyn.example.com", 200,
			"UPDATED: x.pool.dyn.example.com. A 192.0.2.5 -> None\nUNCHANGED: x.pool.dyn.example.com. AAAA None\n", 1},

		{"several old values", "/update-by-path/SECRET/multi.dyn.example.com/192.0.2.9", 200,
			"UPDATED: multi.dyn.example.com. A 192.0.2.7,192.0.2.8 -> 192.0.2.9\nUNCHANGED: multi.dyn.example.com. AAAA None\n", 1},
		{"an old value that was written oddly", "/update-by-path/SECRET/odd.dyn.example.com/2001:db8::2", 200,
			"UNCHANGED: odd.dyn.example.com. A None\nUPDATED: odd.dyn.example.com. AAAA 2001:db8::1 -> 2001:db8::2\n", 1},
		{"TXT beside it stays", "/update-by-path/SECRET/text.dyn.example.com/192.0.2.1", 200,
			"UPDATED: text.dyn.example.com. A None -> 192.0.2.1\nUNCHANGED: text.dyn.example.com. AAAA None\n", 1},

		{"a CNAME at the name", "/update-by-path/SECRET/alias.dyn.example.com/192.0.2.1", 409, "DNS_SERVER_ERROR: …", 0},
		{"deletion of a CNAME", "/delete-by-path/SECRET/alias.dyn.example.com", 409, "DNS_SERVER_ERROR: …", 0},
		{"below a CNAME", "/update-by-path/SECRET/x.alias.dyn.example.com/192.0.2.1", 200,
			"UPDATED: x.alias.dyn.example.com. A None -> 192.0.2.1\nUNCHANGED: x.alias.dyn.example.com. AAAA None\n", 1},
		{"a wildcard CNAME above the name", "/update-by-path/SECRET/x.star.dyn.example.com/192.0.2.1", 200,
			"UPDATED: x.star.dyn.example.com. A None -> 192.0.2.1\nUNCHANGED: x.star.dyn.example.com. AAAA None\n", 1},
		{"a delegated name", "/update-by-path/SECRET/child.dyn.example.com/192.0.2.1", 409, "DNS_SERVER_ERROR: …", 0},
		{"below a delegation", "/update-by-path/SECRET/x.child.dyn.example.com/192.0.2.1", 409, "DNS_SERVER_ERROR: …", 0},

		{"a name in no zone", "/update-by-path/SECRET/home.example.org/192.0.2.1", 404, "DNS_NAME_ERROR: …", 0},
		{"a name that ends like the zone", "/update-by-path/SECRET/notdyn.example.com/192.0.2.1", 404, "DNS_NAME_ERROR: …", 0},
		{"no name", "/update-by-path/SECRET/a..dyn.example.com/192.0.2.1", 400, "DNS_NAME_ERROR: …", 0},
		{"no address", "/update-by-path/SECRET/home.dyn.example.com/192.0.2.256", 400, "IP_ADDRESS_ERROR: …", 0},
		{"the loopback address of the connection", path, 400, "IP_ADDRESS_ERROR: your address 127.0.0.1 is a loopback address; give one\n", 0},
		{"a wrong secret", "/update-by-path/notTheSecret/home.dyn.example.com/192.0.2.1", 403, "PARAMETER_ERROR: …", 0},
		{"no secret", "/update-by-query?fqdn=home.dyn.example.com&ipv4=192.0.2.1", 401, "PARAMETER_ERROR: …", 0},
	}
	key := nameserver.NewKey(zone)
	config := nameserver.Config{Zones: []nameserver.Zone{{Name: zone, Key: key, Records: []string{
		"*.pool A 192.0.2.99",
		"multi A 192.0.2.8", "multi A 192.0.2.7",
		"odd AAAA 2001:db8:0::0:1",
		`text TXT "kept"`,
		"alias CNAME target.example.net.",
		"*.star CNAME target.example.net.",
		"child NS ns.example.net.",
	}}}}
	eachNameserver(t, config, func(t *testing.T, s *nameserver.Server) {
		c := site.Run(t, site.Config{Body: block(s, zone, key)})
		for _, row := range rows {
			if s.Kind() == nameserver.YADIFA && strings.Contains(row.name, "TTL") {
				continue // it takes no change of a TTL alone
			}
			t.Run(row.name, func(t *testing.T) {
				before := s.MustSerial(t, zone)
				expect(t, c, row.request, row.status, row.want)
				if writes := s.MustSerial(t, zone) - before; writes != row.writes {
					t.Errorf("the serial grew by %d, want %d", writes, row.writes)
				}
			})
		}
		for name, want := range map[string]string{
			"home A":             "",
			"a.b.c AAAA":         "2001:db8::1",
			"xn--bcher-kva A":    "192.0.2.1",
			"anything.home A":    "",
			"y.pool A":           "192.0.2.99",
			"multi A":            "192.0.2.9",
			"odd AAAA":           "2001:db8::2",
			"text TXT":           `"kept"`,
			"alias CNAME":        "target.example.net.",
			"alias A":            "",
			"anything.home AAAA": "",
		} {
			label, rrtype, _ := strings.Cut(name, " ")
			if label == "anything.home" && rrtype == "A" {
				want = "192.0.2.1" // by the wildcard
			}
			if got := s.MustLookup(t, label+"."+zone, rrtype); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
	})
}

// A DNAME redirects all that is below it. PowerDNS does not do that unless told to.
func TestNativeDNAME(t *testing.T) {
	key := nameserver.NewKey(zone)
	for _, kind := range []nameserver.Kind{nameserver.BIND, nameserver.Knot} {
		t.Run(string(kind), func(t *testing.T) {
			s := nameserver.Run(t, kind, nameserver.Config{Zones: []nameserver.Zone{
				{Name: zone, Key: key, Records: []string{"moved DNAME example.net."}},
			}})
			c := site.Run(t, site.Config{Body: block(s, zone, key)})
			expect(t, c, "/update-by-path/SECRET/x.moved.dyn.example.com/192.0.2.1", 409, "DNS_SERVER_ERROR: …")
			expect(t, c, "/update-by-path/SECRET/x.y.moved.dyn.example.com/192.0.2.1", 409, "DNS_SERVER_ERROR: …")
		})
	}
}

func TestNativeLongestZone(t *testing.T) {
	const child = "sub." + zone
	key := nameserver.NewKey(zone)
	config := nameserver.Config{Zones: []nameserver.Zone{{Name: zone, Key: key}, {Name: child, Key: key}}}
	eachNameserver(t, config, func(t *testing.T, s *nameserver.Server) {
		c := site.Run(t, site.Config{Body: block(s, zone, key, fmt.Sprintf("zone %s {\ntsig_key %s %s %s\n}", child, key.Name, key.Algorithm, key.Secret))})
		before, childBefore := s.MustSerial(t, zone), s.MustSerial(t, child)
		expect(t, c, "/update-by-path/SECRET/home.sub.dyn.example.com/192.0.2.1", 200,
			"UPDATED: home.sub.dyn.example.com. A None -> 192.0.2.1\nUNCHANGED: home.sub.dyn.example.com. AAAA None\n")
		expect(t, c, "/update-by-path/SECRET/homesub.dyn.example.com/192.0.2.2", 200,
			"UPDATED: homesub.dyn.example.com. A None -> 192.0.2.2\nUNCHANGED: homesub.dyn.example.com. AAAA None\n")
		expect(t, c, "/update-by-query?secret=SECRET&zone_name=dyn.example.com&record_name=home.sub&ipv4=192.0.2.3", 400, "DNS_NAME_ERROR: …")
		if grown, childGrown := s.MustSerial(t, zone)-before, s.MustSerial(t, child)-childBefore; grown != 1 || childGrown != 1 {
			t.Errorf("the serials grew by %d and %d, want one each", grown, childGrown)
		}
		if got := s.MustLookup(t, "home."+child, "A"); got != "192.0.2.1" {
			t.Errorf("home.sub is %q", got)
		}
	})
}

// Whatever the order in which forty updates of one name arrive, each says what
// the one before it left.
func TestNativeChain(t *testing.T) {
	const updates = 40
	key := nameserver.NewKey(zone)
	eachNameserver(t, nameserver.Config{Zones: []nameserver.Zone{{Name: zone, Key: key}}}, func(t *testing.T, s *nameserver.Server) {
		c := site.Run(t, site.Config{Body: block(s, zone, key)})
		bodies := make([]string, updates)
		var wg sync.WaitGroup
		for i := range updates {
			wg.Go(func() {
				r, err := c.Get(t.Context(), fmt.Sprintf("/update-by-path/%s/home.dyn.example.com/192.0.2.%d", secret, i+1))
				if err != nil {
					t.Error(err)
				}
				bodies[i] = r.Body
			})
		}
		wg.Wait()
		next := map[string]string{}
		for _, body := range bodies {
			var old, new string
			if _, err := fmt.Sscanf(body, "UPDATED: home.dyn.example.com. A %s -> %s\n", &old, &new); err != nil {
				t.Fatalf("unexpected reply %q", body)
			}
			if other, ok := next[old]; ok {
				t.Errorf("%s was replaced by %s and by %s", old, other, new)
			}
			next[old] = new
		}
		value, length := "None", 0
		for next[value] != "" && length <= updates {
			value, length = next[value], length+1
		}
		if length != updates {
			t.Errorf("the chain has %d links, want %d: %v", length, updates, next)
		}
		if got := s.MustLookup(t, "home."+zone, "A"); got != value {
			t.Errorf("the chain ends with %s, the nameserver has %s", value, got)
		}
	})
}

// What the nameserver refuses is told as such, with what it said.
func TestNativeRefused(t *testing.T) {
	const foreign = "elsewhere.example.com."
	key, stranger := nameserver.NewKey(zone), nameserver.NewKey("stranger.")
	unknown := nameserver.NewKey("unknown.")
	wrongSecret := key
	wrongSecret.Secret = unknown.Secret
	wrongAlgorithm := key
	wrongAlgorithm.Algorithm = "hmac-sha256"
	type says map[nameserver.Kind]string
	rows := []struct {
		name string
		zone string
		key  nameserver.Key
		says says // what the sentence must name
	}{
		{"a key that the server does not know", zone, unknown, says{nameserver.BIND: "BADKEY", nameserver.Knot: "BADKEY", nameserver.PowerDNS: "REFUSED"}},
		{"a key with another secret", zone, wrongSecret, says{nameserver.BIND: "BADSIG", nameserver.Knot: "BADSIG", nameserver.PowerDNS: "REFUSED"}},
		{"a key with another algorithm", zone, wrongAlgorithm, says{nameserver.BIND: "BADKEY", nameserver.Knot: "BADKEY", nameserver.PowerDNS: "REFUSED"}},
		{"a key without rights", zone, stranger, says{nameserver.BIND: "REFUSED", nameserver.Knot: "BADKEY", nameserver.PowerDNS: "REFUSED"}},
		{"a zone that the server does not have", foreign, key, says{nameserver.BIND: "NOTAUTH", nameserver.Knot: "NOTAUTH", nameserver.PowerDNS: "NOTAUTH"}},
	}
	config := nameserver.Config{Zones: []nameserver.Zone{{Name: zone, Key: key}}, Keys: []nameserver.Key{stranger}}
	eachNameserver(t, config, func(t *testing.T, s *nameserver.Server) {
		for _, row := range rows {
			t.Run(row.name, func(t *testing.T) {
				c := site.Run(t, site.Config{Body: block(s, row.zone, row.key)})
				before := s.MustSerial(t, zone)
				r := get(t, c, "/update-by-path/SECRET/home."+strings.TrimSuffix(row.zone, ".")+"/192.0.2.1")
				if r.Status != 502 || !strings.HasPrefix(r.Body, "DNS_SERVER_ERROR: ") || strings.Count(r.Body, "\n") != 1 {
					t.Errorf("got %d %q, want 502 and one line DNS_SERVER_ERROR", r.Status, r.Body)
				}
				for _, word := range []string{s.Addr(), row.zone, row.says[s.Kind()]} {
					if !strings.Contains(r.Body, word) {
						t.Errorf("%q does not name %s", r.Body, word)
					}
				}
				if strings.Contains(r.Body, row.key.Secret) {
					t.Errorf("the reply shows the key: %q", r.Body)
				}
				if s.MustSerial(t, zone) != before {
					t.Error("the zone was changed")
				}
			})
		}
	})
	t.Run("a name that the policy leaves out", func(t *testing.T) {
		for _, kind := range []nameserver.Kind{nameserver.BIND, nameserver.Knot} {
			t.Run(string(kind), func(t *testing.T) {
				s := nameserver.Run(t, kind, nameserver.Config{Zones: []nameserver.Zone{{Name: zone, Key: key, Only: []string{"home." + zone}}}})
				c := site.Run(t, site.Config{Body: block(s, zone, key)})
				expect(t, c, "/update-by-path/SECRET/fixed.dyn.example.com/192.0.2.1", 502, "DNS_SERVER_ERROR: …")
				expect(t, c, "/update-by-path/SECRET/home.dyn.example.com/192.0.2.1", 200, "UPDATED: home.dyn.example.com. A None -> 192.0.2.1\n…")
			})
		}
	})
}

// With inline-signing a read shows the signed copy of the zone, which follows
// the updates some time later: what the replies say must not come from it.
func TestNativeInlineSigning(t *testing.T) {
	key := nameserver.NewKey(zone)
	s := nameserver.Run(t, nameserver.BIND, nameserver.Config{Zones: []nameserver.Zone{{Name: zone, Key: key, Signed: true}}})
	c := site.Run(t, site.Config{Body: block(s, zone, key)})
	old := "None"
	for i := range 1000 {
		address := fmt.Sprintf("192.0.2.%d", i%2+1)
		expect(t, c, "/update-by-path/SECRET/home.dyn.example.com/"+address, 200,
			fmt.Sprintf("UPDATED: home.dyn.example.com. A %s -> %s\nUNCHANGED: home.dyn.example.com. AAAA None\n", old, address))
		expect(t, c, "/update-by-path/SECRET/home.dyn.example.com/"+address, 200,
			fmt.Sprintf("UNCHANGED: home.dyn.example.com. A %s\nUNCHANGED: home.dyn.example.com. AAAA None\n", address))
		if t.Failed() {
			t.Fatalf("after %d updates", i+1)
		}
		old = address
	}
}

func TestNativeCheck(t *testing.T) {
	const second = "second.example.com."
	key, stranger := nameserver.NewKey(zone), nameserver.NewKey("stranger.")
	config := nameserver.Config{
		Zones: []nameserver.Zone{{Name: zone, Key: key}, {Name: second, Key: key}},
		Keys:  []nameserver.Key{stranger},
	}
	eachNameserver(t, config, func(t *testing.T, s *nameserver.Server) {
		zoneBlock := func(key nameserver.Key) string {
			return fmt.Sprintf("zone %s {\ntsig_key %s %s %s\n}", second, key.Name, key.Algorithm, key.Secret)
		}
		c := site.Run(t, site.Config{Body: block(s, zone, key, zoneBlock(key))})
		before := s.MustSerial(t, zone)
		r := get(t, c, "/check/SECRET")
		if r.Status != 200 || !strings.Contains(r.Body, " "+zone) || !strings.Contains(r.Body, " "+second) || strings.Contains(r.Body, "ERROR") {
			t.Errorf("got %d\n%s", r.Status, r.Body)
		}
		if writes := s.MustSerial(t, zone) - before; writes != 2 {
			t.Errorf("the serial grew by %d, want 2: a record written and removed", writes)
		}
		if err := c.Reload(site.Config{Body: block(s, zone, key, zoneBlock(stranger))}); err != nil {
			t.Fatal(err)
		}
		r = get(t, c, "/check/SECRET")
		if r.Status != 502 || !strings.Contains(r.Body, "CHECK_ERROR: "+second) || strings.Contains(r.Body, "CHECK_ERROR: "+zone) {
			t.Errorf("with a key without rights in one zone: %d\n%s", r.Status, r.Body)
		}
	})
}

// A secondary refuses updates in the words of a primary whose policy denies them:
// the check says that it may be one, and which is the primary.
func TestNativeCheckSecondary(t *testing.T) {
	key := nameserver.NewKey(zone)
	primary := nameserver.Run(t, nameserver.BIND, nameserver.Config{Zones: []nameserver.Zone{{Name: zone, Key: key}}})
	secondary := nameserver.Config{Zones: []nameserver.Zone{{Name: zone, Key: key, Primary: primary.Addr()}}}
	for _, kind := range nameserver.Kinds {
		s := nameserver.Run(t, kind, secondary)
		c := site.Run(t, site.Config{Body: block(s, zone, key)})
		before := primary.MustSerial(t, zone)
		r := get(t, c, "/check/SECRET")
		if r.Status != 502 || !strings.Contains(r.Body, "it may be a secondary: ask the primary, ns1."+zone+" by the SOA record") || strings.Contains(r.Body, "refused the update") {
			t.Errorf("%s: got %d\n%s", kind, r.Status, r.Body)
		}
		if after := primary.MustSerial(t, zone); after != before {
			t.Errorf("%s: the serial grew from %d to %d", kind, before, after)
		}
	}
}

// A nameserver that is down or frozen makes an error within the timeout, and no
// harm when it is back.
func TestNativeDown(t *testing.T) {
	key := nameserver.NewKey(zone)
	eachNameserver(t, nameserver.Config{Zones: []nameserver.Zone{{Name: zone, Key: key}}}, func(t *testing.T, s *nameserver.Server) {
		c := site.Run(t, site.Config{Body: block(s, zone, key, "timeout 2s")})
		const path = "/update-by-path/SECRET/home.dyn.example.com/"
		expect(t, c, path+"192.0.2.1", 200, "UPDATED: home.dyn.example.com. A None -> 192.0.2.1\n…")

		s.Kill()
		expect(t, c, path+"192.0.2.2", 502, "DNS_SERVER_ERROR: …")
		s.MustRestart(t)
		expect(t, c, path+"192.0.2.3", 200, "UPDATED: home.dyn.example.com. A 192.0.2.1 -> 192.0.2.3\n…")

		s.Stop()
		expect(t, c, path+"192.0.2.4", 504, "DNS_SERVER_ERROR: …")
		s.Continue()
		// Whether the one before was applied, nobody can tell.
		r := get(t, c, path+"192.0.2.5")
		if r.Status != 200 || !strings.HasPrefix(r.Body, "UPDATED: home.dyn.example.com. A 192.0.2.") {
			t.Errorf("after the freeze got %d %q", r.Status, r.Body)
		}
		if got := s.MustLookup(t, "home."+zone, "A"); got != "192.0.2.5" {
			t.Errorf("the nameserver has %s", got)
		}
	})
}
