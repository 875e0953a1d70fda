package service

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/zone"
)

// What may stand where, beside addresses.
func TestRecords(t *testing.T) {
	ttl := uint32(120)
	text := set("letsencrypt.org; accounturi=x")
	tests := []struct {
		name, client string
		host         Host
		want         string // the records, or the reason of the refusal
	}{
		{"a service binding", "exact", Host{Name: "home.dyn.test", HTTPS: set("1 . alpn=h2")}, "home.dyn.test. HTTPS 300 1 . alpn=h2"},
		{"with a TTL of its own", "exact", Host{Name: "home.dyn.test", A: set("192.0.2.1"), HTTPS: Wish{Action: zone.Set, Values: []string{"1 ."}, TTL: &ttl}},
			"home.dyn.test. A 300 192.0.2.1; home.dyn.test. HTTPS 120 1 ."},
		{"a service binding with a private hint", "exact", Host{Name: "home.dyn.test", HTTPS: set("1 . ipv4hint=10.0.0.1")}, "bad_address"},
		{"an address that is added and private", "exact", Host{Name: "home.dyn.test", A: Wish{Action: zone.Add, Values: []string{"10.0.0.1"}}}, "bad_address"},
		{"a service binding of another's host", "exact", Host{Name: "other.dyn.test", HTTPS: set("1 .")}, "not_granted"},
		{"a text at a host", "exact", Host{Name: "home.dyn.test", TXT: text}, "not_granted"},
		{"a text at a host, by the secret", "secret", Host{Name: "home.dyn.test", TXT: text}, "home.dyn.test. TXT 300 letsencrypt.org; accounturi=x"},
		{"a text at a name that is granted itself", "persist", Host{Name: "_validation-persist.home.dyn.test", TXT: text}, "_validation-persist.home.dyn.test. TXT 300 letsencrypt.org; accounturi=x"},
		{"a text at a name below a host", "exact", Host{Name: "_validation-persist.home.dyn.test", TXT: text}, "not_granted"},
		{"a text at a name that a pattern covers", "below", Host{Name: "_validation-persist.home.dyn.test", TXT: text}, "not_granted"},
		{"an address at a name with an underscore", "persist", Host{Name: "_validation-persist.home.dyn.test", A: set("192.0.2.1")}, "bad_name"},
		{"both there", "persist", Host{Name: "_validation-persist.home.dyn.test", A: set("192.0.2.1"), TXT: text}, "bad_name"},
		{"a challenge at a name that is granted itself", "persist", Host{Name: "office.dyn.test", Challenge: set(digest(1))}, "_acme-challenge.office.dyn.test. TXT 60 " + digest(1)},
		{"the address of that host", "persist", Host{Name: "office.dyn.test", A: set("192.0.2.1"), Challenge: set(digest(1))}, "not_granted"},
		{"a challenge of the host above a pattern", "pattern", Host{Name: "office.dyn.test", Challenge: set(digest(1))}, "not_granted"},
		{"another text as a challenge", "exact", Host{Name: "home.dyn.test", Challenge: text}, "bad_parameter"},
		{"another text as a challenge, by the secret", "secret", Host{Name: "home.dyn.test", Challenge: text}, "bad_parameter"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, func(c *Config) {
				c.PublicOnly = true
				more, err := clients.NewStatic([]clients.Spec{
					{Name: "persist", Tokens: []string{token("persist")}, Hosts: []string{"_validation-persist.home.dyn.test", "_acme-challenge.office.dyn.test"}},
					{Name: "pattern", Tokens: []string{token("pattern")}, Hosts: []string{"*.office.dyn.test"}},
				}, clients.NewConfig([]string{"dyn.test."}))
				if err != nil {
					t.Fatal(err)
				}
				c.Clients = clients.Sources{c.Clients, more}
			})
			out := f.do(t, tt.client, Submission{Hosts: []Host{tt.host}})
			if got := present(out); got != tt.want {
				t.Errorf("got %s", got)
			}
			if strings.Contains(tt.want, " ") != (f.written() > 0) {
				t.Errorf("%d messages", f.written())
			}
		})
	}
}

// present prints what stands where, or the reason of a refusal.
func present(out Outcome) string {
	if out.Err != nil {
		return string(out.Err.Reason)
	}
	var all []string
	for h := range out.Names() {
		if h.Err != nil {
			return string(h.Err.Reason)
		}
		for _, r := range h.Records {
			all = append(all, fmt.Sprintf("%s %s %d %s", r.Name, r.Type, r.TTL, strings.Join(r.New, ",")))
		}
	}
	return strings.Join(all, "; ")
}

// A client learns what stands at its own names, and nothing of others.
func TestList(t *testing.T) {
	at := func(names ...string) (hosts []Host) {
		for _, n := range names {
			hosts = append(hosts, Host{Name: n})
		}
		return hosts
	}
	const (
		home      = "home.dyn.test. A 300 192.0.2.1; home.dyn.test. AAAA 0 ; home.dyn.test. HTTPS 300 1 ."
		challenge = "_acme-challenge.home.dyn.test. TXT 300 x"
	)
	tests := []struct {
		name, client string
		asked        []Host
		want         string
	}{
		{"all of a client", "bare", nil, home},
		{"a name of it", "gate", at("gate.dyn.test"), "gate.dyn.test. A 0 ; gate.dyn.test. AAAA 0 ; gate.dyn.test. HTTPS 0 ; _acme-challenge.gate.dyn.test. TXT 0 "},
		{"its challenge", "exact", at("_acme-challenge.home.dyn.test"), challenge},
		{"both", "exact", at("_acme-challenge.home.dyn.test", "HOME.dyn.test."), home + "; " + challenge},
		{"both, the other way round", "exact", at("home.dyn.test", "_acme-challenge.home.dyn.test"), home + "; " + challenge},
		{"of a pattern", "below", at("home.dyn.test"), home + "; " + challenge},
		{"of a pattern, beside what none covers", "below", at("ns1.dyn.test", "home.dyn.test", "dyn.test", "deep.dyn.test"), home + "; " + challenge},
		{"the challenge without certificates", "bare", at("_acme-challenge.home.dyn.test"), ""},
		{"another's", "bare", at("office.dyn.test", "_x.home.dyn.test"), ""},
		{"in no zone, and no name", "secret", at("home.example", "-", ""), ""},
		{"all texts, by the secret", "secret", at("home.dyn.test"), home + "; home.dyn.test. TXT 0 ; " + challenge},
		{"nothing is named by the secret", "secret", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.dyn.seed("home.dyn.test.", zone.TypeA, "192.0.2.1")
			f.dyn.seed("home.dyn.test.", zone.TypeHTTPS, "1 .")
			f.dyn.seed("_acme-challenge.home.dyn.test.", zone.TypeTXT, "x")
			out := f.do(t, tt.client, Submission{List: true, Hosts: tt.asked})
			if got := present(out); got != tt.want {
				t.Errorf("got %s", got)
			}
			if out.Err != nil || slices.ContainsFunc(out.Hosts, func(h HostOutcome) bool { return h.Err != nil }) {
				t.Errorf("got %+v", out)
			}
			if out.Changed() {
				t.Error("something was changed")
			}
		})
	}
}
