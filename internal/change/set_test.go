package change

import (
	"slices"
	"testing"

	"github.com/caddy-dyndns/dyndns/zone"
)

// FuzzValue reads any text as the value of any type: what is taken reads back as itself.
func FuzzValue(f *testing.F) {
	for _, value := range []string{"192.0.2.1", "2001:db8::1", "text", `1 . alpn="h2"`, `0 alias.example.com.`, `1 . key65400="\000"`} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		for _, typ := range []zone.Type{zone.TypeA, zone.TypeAAAA, zone.TypeTXT, zone.TypeHTTPS} {
			set, err := ParseSet(typ, []string{value}, 300)
			if err != nil {
				continue
			}
			again, err := ParseSet(typ, set.Text, 300)
			if err != nil || !again.SameValues(set) || !slices.Equal(again.Text, set.Text) {
				t.Errorf("%s %q became %q, then %q: %v", typ, value, set.Text, again.Text, err)
			}
		}
	})
}
