package change

import (
	"testing"

	"github.com/caddy-dyndns/dyndns/zone"
)

// BIND's dig and its transfers refuse exactly what is bad here.
func TestServiceBindings(t *testing.T) {
	for value, good := range map[string]bool{
		"1 .":                             true,
		"1 . alpn=h2,h3":                  true,
		"1 . alpn=h2 no-default-alpn":     true,
		"1 . no-default-alpn":             false,
		`1 . alpn=""`:                     false,
		"1 . mandatory=port port=80":      true,
		"1 . port=80 mandatory=port":      true,
		"1 . mandatory=alpn":              false,
		"1 . mandatory=mandatory":         false,
		"1 . mandatory=port,port port=80": false,
		"1 . port=80 port=81":             false,
		"1 . dohpath=/x{?dns}":            true,
		"1 . dohpath=/x":                  false,
		"1 . dohpath=x{?dns}":             false,
		"1 . ech=AAAA":                    true,
		"1 . key32768=x":                  true,
		"0 other.test.":                   true,
		"1 . ipv4hint=192.0.2.1":          true,
	} {
		for _, action := range []zone.Action{zone.Set, zone.Add} {
			valid, results := Check("dyn.test.", []zone.Change{{Name: "home.dyn.test.", Type: zone.TypeHTTPS, Action: action, Values: []string{value}}})
			if len(valid) == 1 != good || (results[0].Err == nil) != good {
				t.Errorf("action %d, %s: %v", action, value, results[0].Err)
			}
		}
	}
	// One that another program has written goes as any.
	if valid, _ := Check("dyn.test.", []zone.Change{{Name: "home.dyn.test.", Type: zone.TypeHTTPS, Action: zone.Remove, Values: []string{"1 . no-default-alpn"}}}); len(valid) != 1 {
		t.Error("what stands there cannot be removed")
	}
}
