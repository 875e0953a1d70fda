package dialect

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/internal/service"
)

// exhausting are requests that fill 64 KiB with what costs most.
var exhausting = []struct {
	name string
	// uri may end in an argument that body goes on with.
	uri, body string
	want      service.Reason
}{
	{"native, empty names", "/update-by-query?secret=s&fqdn=" + idn(0), "myipv6:" + idns(18) + full(",") + "=2001:db8::1", ""},
	{"native, one name again and again", "/update-by-query?secret=s&fqdn=" + idn(0), "myipv6:" + full(idn(0)+",") + "=2001:db8::1", service.TooManyHosts},
	{"native, names that are none", "/update-by-query?secret=s&fqdn=" + idn(0), "myipv6:" + full("_,") + "=2001:db8::1", service.TooManyHosts},
	{"dyndns2, empty names", "/nic/update?hostname=" + idns(20), "myipv6:" + idns(18) + full(",") + "=2001:db8::1", ""},
	{"dyndns2, one name again and again", "/nic/update?hostname=" + idns(20), "myipv6:" + full(idn(0)+",") + "=2001:db8::1", service.TooManyHosts},
	{"dyndns2, empty host names", "/nic/update?myip=192.0.2.1", "hostname=" + idns(20) + full(","), ""},
	{"dyndns2, one address again and again", "/nic/update?hostname=" + idns(20), "myip=" + full("192.0.2.1,"), service.BadAddress},
	{"dyndns2, the address that is none", "/nic/update?hostname=" + idns(20), "myip=" + full("::,"), service.BadAddress},
	{"dyndns2, one word again and again", "/nic/update?hostname=" + idns(20), "myip=" + full("-,"), service.BadAddress},
	{"DuckDNS, empty names", "/update?token=t&ip=192.0.2.1", "domains=" + idns(20) + full(","), ""},
	{"DuckDNS, one name again and again", "/update?token=t&ip=192.0.2.1", "domains=" + full("a,"), service.TooManyHosts},
}

// idn returns a name whose normalisation is slow.
func idn(i int) string { return fmt.Sprintf("b%dü%s.example.com", i, strings.Repeat("ö", 20)) }

func idns(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(idn(i) + ",")
	}
	return b.String()
}

// full repeats a text up to 60 KiB.
func full(s string) string { return strings.Repeat(s, 60<<10/len(s)) }

// A request is read with an effort that does not grow with how often it says
// something. Each name that it may give costs some 30 allocations.
func TestExhaustion(t *testing.T) {
	for _, test := range exhausting {
		t.Run(test.name, func(t *testing.T) {
			if allocations := testing.AllocsPerRun(1, func() {
				if sub, err := readWhole(t, test.uri, test.body); reasonOf(err) != test.want {
					t.Errorf("got %s", answer(sub, err))
				}
			}); allocations > 1500 {
				t.Errorf("%v allocations", allocations)
			}
		})
	}
}

func BenchmarkExhaustion(b *testing.B) {
	for _, test := range exhausting {
		b.Run(test.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = readWhole(b, test.uri, test.body)
			}
		})
	}
}

// readWhole reads a request with a form as its body.
func readWhole(t testing.TB, uri, body string) (service.Submission, *service.Error) {
	t.Helper()
	r := get(t, uri)
	r.Method = http.MethodPost
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Body = readCloser{strings.NewReader(body)}
	_, _, sub, err := ask(t, r, Options{})
	return sub, err
}

func reasonOf(err *service.Error) service.Reason {
	if err == nil {
		return ""
	}
	return err.Reason
}
