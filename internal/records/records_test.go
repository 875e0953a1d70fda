package records

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/zone"
)

// show returns the hosts of a submission, each with what is asked for.
func show(sub service.Submission) string {
	actions := map[zone.Action]string{zone.Set: "set", zone.Add: "add", zone.Remove: "remove", zone.Delete: "delete", zone.Keep: "keep"}
	var hosts []string
	for _, h := range sub.Hosts {
		text := h.Name
		for _, w := range []struct {
			kind string
			service.Wish
		}{{"A", h.A}, {"AAAA", h.AAAA}, {"HTTPS", h.HTTPS}, {"TXT", h.TXT}, {"challenge", h.Challenge}} {
			if w.Mentioned() {
				text += fmt.Sprintf(" %s:%s%q", w.kind, actions[w.Action], w.Values)
			}
			if w.TTL != nil {
				text += fmt.Sprintf("/%d", *w.TTL)
			}
		}
		hosts = append(hosts, text)
	}
	return strings.Join(hosts, "; ")
}

func TestSubmission(t *testing.T) {
	const h = `"name":"home.dyn.test"`
	many := func(n int) string {
		return `{"add":[` + strings.TrimSuffix(strings.Repeat(`{`+h+`,"type":"A","data":"192.0.2.1"},`, n), ",") + `]}`
	}
	tests := []struct{ name, request, want string }{
		{"addresses", `{"set":[{` + h + `,"type":"A","data":"192.0.2.1"},{"name":"HOME.dyn.test.","type":"aaaa","ttl":60,"data":"2001:DB8::1"}]}`,
			`home.dyn.test. A:set["192.0.2.1"] AAAA:set["2001:db8::1"]/60`},
		{"two values", `{"set":[{` + h + `,"type":"A","ttl":60,"data":"192.0.2.1"},{` + h + `,"type":"A","data":"192.0.2.2"}]}`, `home.dyn.test. A:set["192.0.2.1" "192.0.2.2"]/60`},
		{"an IPv4-mapped address", `{"add":[{` + h + `,"type":"A","data":"::ffff:192.0.2.1"}]}`, `home.dyn.test. A:add["192.0.2.1"]`},
		{"a service binding", `{"set":[{` + h + `,"type":"HTTPS","data":"1 . alpn=h2 ipv4hint=192.0.2.1"}]}`, `home.dyn.test. HTTPS:set["1 . alpn=h2 ipv4hint=192.0.2.1"]`},
		{"a challenge", `{"add":[{"name":"_acme-challenge.home.dyn.test","type":"TXT","data":"v"}]}`, `home.dyn.test. challenge:add["v"]`},
		{"a text", `{"set":[{"name":"_x.home.dyn.test","type":"TXT","data":"v"}]}`, `_x.home.dyn.test. TXT:set["v"]`},
		{"deletes", `{"delete":[{` + h + `,"type":"A","ttl":9},{` + h + `,"type":"AAAA","data":"2001:db8::1"},{"name":"other.dyn.test","type":"TXT"}]}`,
			`home.dyn.test. A:delete[]/9 AAAA:remove["2001:db8::1"]; other.dyn.test. TXT:delete[]`},
		{"what may not be published is removed", `{"delete":[{` + h + `,"type":"HTTPS","data":"1 . ipv4hint=127.0.0.1"}]}`, `home.dyn.test. HTTPS:remove["1 . ipv4hint=127.0.0.1"]`},
		{"as many as may be", many(Max), `home.dyn.test. A:add["192.0.2.1"` + strings.Repeat(` "192.0.2.1"`, Max-1) + `]`},

		{"nothing", `{}`, "bad_parameter: 0 records are none, or more than 200"},
		{"one too many", many(Max + 1), "bad_parameter: 201 records are none, or more than 200"},
		{"another type", `{"set":[{` + h + `,"type":"CNAME","data":"x."}]}`, "bad_parameter: the type CNAME is none of A, AAAA, HTTPS and TXT"},
		{"no type", `{"delete":[{` + h + `}]}`, "bad_parameter: the type  is none of A, AAAA, HTTPS and TXT"},
		{"no name", `{"set":[{"type":"A","data":"192.0.2.1"}]}`, "bad_name: an empty text is not a name"},
		{"no data", `{"set":[{` + h + `,"type":"A"}]}`, "bad_parameter: a record of home.dyn.test. has no data"},
		{"an address of the other family", `{"set":[{` + h + `,"type":"AAAA","data":"192.0.2.1"}]}`, "bad_address: 192.0.2.1 does not fit a record of type AAAA"},
		{"a service binding that says no", `{"add":[{` + h + `,"type":"HTTPS","data":"1 . no-default-alpn"}]}`, "bad_parameter: the parameter no-default-alpn needs alpn"},
		{"a text that is too long", `{"add":[{"name":"_x.dyn.test","type":"TXT","data":"` + strings.Repeat("x", 5000) + `"}]}`, "bad_parameter: the text is longer than 4096 bytes"},
		{"a service binding that says no is removed", `{"delete":[{` + h + `,"type":"HTTPS","data":"1 . no-default-alpn"}]}`, `home.dyn.test. HTTPS:remove["1 . no-default-alpn"]`},
		{"a loopback address", `{"set":[{` + h + `,"type":"A","data":"127.0.0.1"}]}`, "bad_address: 127.0.0.1 is a loopback address"},
		{"a loopback address as a hint", `{"set":[{` + h + `,"type":"HTTPS","data":"1 . ipv6hint=::1"}]}`, "bad_address: ::1 is a loopback address"},
		{"no service binding", `{"set":[{` + h + `,"type":"HTTPS","data":"x"}]}`, "bad_parameter: this is not the data of an HTTPS record"},
		{"two records in the data", `{"set":[{` + h + `,"type":"HTTPS","data":"1 .\nx. 0 IN A 192.0.2.1"}]}`, "bad_parameter: this is not the data of an HTTPS record"},
		{"a text with a line break", `{"set":[{"name":"_x.dyn.test","type":"TXT","data":"a\nb"}]}`, "bad_parameter: the text at _x.dyn.test has characters that are not printable ASCII"},
		{"in two lists", `{"set":[{` + h + `,"type":"A","data":"192.0.2.1"}],"add":[{` + h + `,"type":"A","data":"192.0.2.2"}]}`, "bad_parameter: home.dyn.test. A is changed twice"},
		{"whole and in part", `{"delete":[{` + h + `,"type":"A","data":"192.0.2.1"},{` + h + `,"type":"A"}]}`, "bad_parameter: home.dyn.test. A is changed twice"},
		{"two TTLs", `{"set":[{` + h + `,"type":"A","ttl":1,"data":"192.0.2.1"},{` + h + `,"type":"A","ttl":2,"data":"192.0.2.2"}]}`, "bad_parameter: home.dyn.test. A has two TTLs"},
		{"a TTL of 32 bits", `{"set":[{` + h + `,"type":"A","ttl":2147483648,"data":"192.0.2.1"}]}`, "bad_parameter: ttl 2147483648 is greater than 2147483647"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var request Request
			if err := json.Unmarshal([]byte(tt.request), &request); err != nil {
				t.Fatal(err)
			}
			sub, err := request.Submission()
			got := show(sub)
			if err != nil {
				got = string(err.Reason) + ": " + err.Message
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}
