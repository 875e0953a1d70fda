// Package outside runs what other projects have: libdns's own test suite against the
// module dns.providers.dyndns, the library of lego 5 as an ACME client, and Grafana's types
// of a dashboard. It is a module of its own, so that the project does not require them.
package outside

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/libdns/libdns"
	"github.com/libdns/libdns/libdnstest"

	_ "github.com/caddy-dyndns/dyndns"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

func TestMain(m *testing.M) { caddytest.Main(m) }

// names are those of the suite's records, each a host that the token's client may change.
const names = "test-append-address.dyn.test test-append-address-ipv6.dyn.test test-append-https.dyn.test test-append-cname.dyn.test test-append-txt.dyn.test " +
	"test-set-preserve.dyn.test test-set-address.dyn.test test-set-cname.dyn.test test-set-txt.dyn.test " +
	"test-delete-address.dyn.test test-delete-address-ipv6.dyn.test test-delete-cname.dyn.test test-delete-https.dyn.test test-delete-txt.dyn.test"

func TestProvider(t *testing.T) {
	ns := caddytest.Nameserver(t, "dyn.test")
	s := caddytest.Serve(t, "", "https://localhost {\ndyndns {\ndomain localhost\n"+caddytest.ZoneBlock("dyn.test", ns.Addr())+
		"client home {\ntoken "+caddytest.CanaryToken+"\nhosts "+names+"\n}\n}\nrespond 404\n}\n")
	s.AwaitTLS()
	tests := []struct {
		name   string
		config map[string]any
		record func(libdns.Record) libdns.Record
	}{
		{"in the same process", map[string]any{}, noCNAME},
		{"of another Caddy", map[string]any{
			"url": s.HTTPS, "token": caddytest.CanaryToken,
			"ca": map[string]any{"provider": "pki_root", "authority": []string{"local"}},
		}, func(r libdns.Record) libdns.Record { return asChallenge(noCNAME(r)) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config, err := json.Marshal(tt.config)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := caddy.NewContext(caddy.ActiveContext())
			t.Cleanup(cancel)
			module, err := ctx.LoadModuleByID("dns.providers.dyndns", config)
			if err != nil {
				t.Fatal(err)
			}
			suite := libdnstest.NewTestSuite(lister{module.(libdnstest.RecordProvider)}, "dyn.test.")
			suite.SkipRRTypes = map[string]bool{"CAA": true, "MX": true, "NS": true, "SRV": true, "SVCB": true}
			suite.AppendRecordFunc = tt.record
			suite.RunTests(t)
		})
	}
}

// lister has the suite find the zone: the provider lists none, and the suite would skip.
type lister struct{ libdnstest.RecordProvider }

func (l lister) ListZones(context.Context) ([]libdns.Zone, error) {
	return []libdns.Zone{{Name: "dyn.test."}}, nil
}

// noCNAME is an address in the place of an alias, of which the suite leaves no choice: a
// dynamic name has none.
func noCNAME(r libdns.Record) libdns.Record {
	if rr := r.RR(); rr.Type == "CNAME" {
		address, _ := libdns.RR{Name: rr.Name, TTL: rr.TTL, Type: "AAAA", Data: "2001:db8::5"}.Parse()
		return address
	}
	return r
}

// asChallenge is a challenge in the place of any other text, which no token may write.
func asChallenge(r libdns.Record) libdns.Record {
	if rr := r.RR(); rr.Type == "TXT" {
		digest := sha256.Sum256([]byte(rr.Data))
		return libdns.TXT{Name: "_acme-challenge." + rr.Name, TTL: time.Minute, Text: base64.RawURLEncoding.EncodeToString(digest[:])}
	}
	return r
}
