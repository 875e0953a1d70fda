package clients

import (
	"encoding/json"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

const wholeRecord = `{
	"name": "home router", "note": "first floor",
	"tokens": ["sha256:0000000000000000000000000000000000000000000000000000000000000001",
		{"id": "ignored", "digest": "sha256:0000000000000000000000000000000000000000000000000000000000000002", "created": "2026-11-23T12:00:00Z", "expires": "2026-12-23T12:00:00Z"}],
	"owner": ["sha256:0000000000000000000000000000000000000000000000000000000000000003"],
	"hosts": ["home.dyn.example.com", "*.home.dyn.example.com", "HOME.dyn.example.com.", "cam.elsewhere.test", "_x.home.dyn.example.com"],
	"lan": [{"name": "nas.dyn.example.com", "interface_id": "::1"}, {"name": "nas.elsewhere.test", "interface_id": "::1"}],
	"from": ["192.0.2.0/24", "2001:db8::1"], "limit": {"changes": 10, "per": "1d"}, "disabled": true, "no_certificates": true
}`

// digest is that of the record above with this last byte.
func digest(last byte) (d Digest) {
	d[len(d)-1] = last
	return d
}

func TestRecord(t *testing.T) {
	r, err := ParseRecord([]byte(wholeRecord))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseRecord(text)
	if err != nil || !reflect.DeepEqual(r, again) {
		t.Errorf("%s is read as %+v, %v", text, again, err)
	}
	if got := r.Names(); !slices.Equal(got, []string{"home.dyn.example.com.", "cam.elsewhere.test.", "_x.home.dyn.example.com.", "nas.dyn.example.com.", "nas.elsewhere.test."}) {
		t.Errorf("names %q", got)
	}

	c, err := config.RecordClient(r, digest(1))
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "home router" || c.Owner() || !c.Disabled() || !c.NoCertificates() || c.Limit() != (Limit{10, 24 * time.Hour}) {
		t.Errorf("the client is %+v", c)
	}
	if !slices.Equal(c.ExactHosts(), []string{"home.dyn.example.com.", "_x.home.dyn.example.com."}) || len(c.LAN) != 1 {
		t.Errorf("what lies in other zones is not left out: %q, %v", c.ExactHosts(), c.LAN)
	}
	if c.Expired(time.Now().Add(100 * 365 * 24 * time.Hour)) {
		t.Error("a token without expires has expired")
	}
	second, err := config.RecordClient(r, digest(2))
	if err != nil {
		t.Fatal(err)
	}
	end := time.Date(2026, 12, 23, 12, 0, 0, 0, time.UTC)
	if second.Expired(end.Add(-1)) || !second.Expired(end) {
		t.Error("the second token does not end in time")
	}
	if owner, err := config.RecordClient(r, digest(3)); err != nil || !owner.Owner() {
		t.Errorf("the owner's is %+v, %v", owner, err)
	}
	if none, err := config.RecordClient(r, digest(4)); none != nil || err != nil {
		t.Errorf("a token that is not listed is %+v, %v", none, err)
	}
	if err := r.Outside(config); err == nil || !strings.Contains(err.Error(), "cam.elsewhere.test") {
		t.Errorf("outside of the zones: %v", err)
	}
	if err := r.Outside(NewConfig([]string{"elsewhere.test.", "dyn.example.com."})); err != nil {
		t.Errorf("nothing is outside of these: %v", err)
	}
}

func TestBadRecords(t *testing.T) {
	good := `{"name":"a","hosts":["a.dyn.example.com"]}`
	with := func(member string) string { return strings.Replace(good, "}", ","+member+"}", 1) }
	d := digest(1).String()
	for _, tt := range []struct{ name, text, want string }{
		{"empty", ``, "EOF"},
		{"no JSON", `hosts a.dyn.example.com`, "invalid character"},
		{"HTML", `<!doctype html><title>Log in</title>`, "invalid character"},
		{"null", `null`, "name is empty"},
		{"a list", `[]`, "cannot unmarshal array"},
		{"two records", good + good, "something follows"},
		{"too long", with(`"note":"` + strings.Repeat("x", MaxRecord) + `"`), "longer"},
		{"unknown member", with(`"form":["192.0.2.0/24"]`), `unknown field "form"`},
		{"no name", `{"hosts":["a.dyn.example.com"]}`, "name is empty"},
		{"name that is a path", strings.Replace(good, `"a"`, `"a/../b"`, 1), "path"},
		{"name with a line break", strings.Replace(good, `"a"`, `"a\nb"`, 1), "printed"},
		{"name with a bidi override", strings.Replace(good, `"a"`, `"a\u202eb"`, 1), "printed"},
		{"long name", strings.Replace(good, `"a"`, `"`+strings.Repeat("x", 300)+`"`, 1), "200 bytes"},
		{"no hosts", `{"name":"a"}`, "hosts: none"},
		{"no name of a host", strings.Replace(good, "a.dyn", "a..dyn", 1), "empty label"},
		{"no list of hosts", `{"name":"a","hosts":"a.dyn.example.com"}`, "hosts"},
		{"two asterisks", strings.Replace(good, "a.dyn", "*.*.dyn", 1), "asterisk"},
		{"LAN twice", with(`"lan":[{"name":"n.test","interface_id":"::1"},{"name":"N.test.","interface_id":"::2"}]`), "given twice"},
		{"LAN without identifier", with(`"lan":[{"name":"n.test"}]`), "lan n.test"},
		{"no network", with(`"from":["home"]`), "from: home is not a network"},
		{"network with host bits", with(`"from":["192.0.2.1/24"]`), "the network is 192.0.2.0/24"},
		{"mapped network", with(`"from":["::ffff:192.0.2.0/120"]`), "not a network"},
		{"limit of nothing", with(`"limit":{}`), "limit"},
		{"limit of no time", with(`"limit":{"changes":1}`), "duration"},
		{"limit of no changes", with(`"limit":{"changes":0,"per":"1h"}`), "not positive"},
		{"limit that overflows", with(`"limit":{"changes":1,"per":"9999999d"}`), "duration"},
		{"plain token", with(`"tokens":["` + tokenA + `"]`), "digest"},
		{"plain token in an object", with(`"tokens":[{"digest":"` + tokenA + `"}]`), "digest"},
		{"short digest", with(`"tokens":["sha256:00"]`), "64"},
		{"token without digest", with(`"tokens":[{"created":"2026-11-23T12:00:00Z"}]`), "no digest"},
		{"token with a digest of zeros", with(`"tokens":["sha256:` + strings.Repeat("0", 64) + `"]`), "no digest"},
		{"null token", with(`"tokens":[null]`), "no digest"},
		{"token with an unknown member", with(`"tokens":[{"digest":"` + d + `","expire":"2026-11-23T12:00:00Z"}]`), "unknown field"},
		{"restriction twice", with(`"disabled":true,"disabled":false`), "twice"},
		{"restriction twice in another spelling", with(`"from":["192.0.2.0/24"],"FROM":[]`), "twice"},
		{"list twice in a spelling that Unicode folds", with(`"note":"x","hoſts":["b.dyn.example.com"]`), "twice"},
		{"token's end twice", with(`"tokens":[{"digest":"` + d + `","expires":"2026-11-23T12:00:00Z","expires":"2036-11-23T12:00:00Z"}]`), "twice"},
		{"token twice", with(`"tokens":["` + d + `","` + d + `"]`), "twice"},
		{"token of both kinds", with(`"tokens":["` + d + `"],"owner":["` + d + `"]`), "twice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := ParseRecord([]byte(tt.text))
			if !errors.Is(err, ErrBadRecord) || r != nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, %v, want %q", r, err, tt.want)
			}
			if strings.Contains(err.Error(), tokenA) {
				t.Errorf("%v tells a token", err)
			}
		})
	}
	if _, err := ParseRecord([]byte(good)); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

func TestAdmits(t *testing.T) {
	s := newStatic(t,
		Spec{Name: "a", Tokens: []string{tokenA}, Hosts: []string{"*"}, From: []string{"192.0.2.0/24", "2001:db8::/32", "::ffff:198.51.100.7"}},
		Spec{Name: "b", Tokens: []string{tokenB}, Hosts: []string{"*"}},
	)
	a, b := s.tokens[DigestOf(tokenA)], s.tokens[DigestOf(tokenB)]
	for text, want := range map[string]bool{"192.0.2.255": true, "192.0.3.0": false, "2001:db8:ffff::1": true, "2001:db9::": false, "198.51.100.7": true} {
		if got := a.Admits(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if a.Admits(netip.Addr{}) || !b.Admits(netip.Addr{}) {
		t.Error("an unknown address is admitted, or needed where any is")
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{"90s": 90 * time.Second, "1h30m": 90 * time.Minute, "7d": 168 * time.Hour, "0.5d": 12 * time.Hour, "0s": 0, "-1h": 0, "d": 0, "": 0, "1": 0, "1e9d": 0, "200000d": 0, "1hd": 0} {
		if got, err := ParseDuration(text); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(wholeRecord))
	f.Add([]byte(`{"name":"a","hosts":["*"],"tokens":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseRecord(data)
		if err != nil {
			if !errors.Is(err, ErrBadRecord) {
				t.Errorf("%v is no ErrBadRecord", err)
			}
			return
		}
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseRecord(text); err != nil && len(text) <= MaxRecord {
			t.Errorf("%s is not read again: %v", text, err)
		}
		for _, d := range r.Digests() {
			if _, err := config.RecordClient(r, d); err != nil {
				t.Errorf("%s is no client: %v", text, err)
			}
		}
	})
}
