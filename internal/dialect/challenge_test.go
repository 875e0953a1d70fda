package dialect

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/zone"
)

const (
	// value is that of the challenge whose key authorization is "auth".
	value = "vfScPDiCEC_AF_-2YRCMY6g20GWIikCTmUOYzFXC6i8"
	host1 = "home.dyn.example.com"
)

// jsonRequest is a POST to the domain with a body and header lines.
func jsonRequest(t *testing.T, path, body string, headers ...string) *http.Request {
	t.Helper()
	r := read(t, fmt.Sprintf("POST %s HTTP/1.1\nHost: dyndns.example.com\nContent-Length: %d\n%s\n%s", path, len(body), strings.Join(append(headers, ""), "\n"), body))
	return r
}

var atDomain = Options{Domains: []string{"dyndns.example.com"}}

func TestChallengeRequests(t *testing.T) {
	const (
		json     = "Content-Type: application/json"
		form     = "Content-Type: application/x-www-form-urlencoded"
		basic    = "Authorization: Basic eDp0b2tlbg=="
		key      = "X-Api-Key: token"
		body     = "error bad_parameter: the body is not one JSON object with text in it"
		lists    = "error bad_parameter: the body is not one JSON object with lists of records in set, add and delete"
		noDigest = "error bad_parameter: the value is not the digest of a key authorization: 43 characters of base64url"
	)
	v := strings.Repeat("aZ9-_", 9)[:43]
	fqdn := `{"fqdn":"_acme-challenge.` + host1 + `.","value":"` + v + `"}`
	tests := []struct{ name, path, body, header, want string }{
		{"lego", "/present", fqdn, json, host1 + ". TXT:add " + v},
		{"Caddy's acmeproxy, with a newline", "/present", fqdn + "\n", json, host1 + ". TXT:add " + v},
		{"acme.sh", "/present", `{"fqdn": "_acme-challenge.` + host1 + `.", "value": "` + v + `"}`, json, host1 + ". TXT:add " + v},
		{"without a final dot", "/present", strings.Replace(fqdn, "com.", "com", 1), form, host1 + " TXT:add " + v},
		{"in upper case", "/present", strings.Replace(fqdn, "_acme", "_ACME", 1), json, host1 + ". TXT:add " + v},
		{"clean-up", "/cleanup", fqdn, json, host1 + ". TXT:remove " + v},
		{"RAW", "/present", `{"domain":"` + host1 + `","token":"t","keyAuth":"auth"}`, json, host1 + " TXT:add " + value},
		{"RAW of a wildcard", "/present", `{"domain":"*.` + host1 + `","keyauth":"auth"}`, json, host1 + " TXT:add " + value},
		{"another name", "/present", `{"fqdn":"` + host1 + `","value":"` + v + `"}`, json, "error bad_name: home.dyn.example.com is not the name of a challenge, _acme-challenge.<host>"},
		{"no host", "/present", `{"fqdn":"_acme-challenge.","value":"` + v + `"}`, json, "error bad_name: REDACTED is not the name of a challenge, _acme-challenge.<host>"},
		{"nothing", "/present", `{}`, json, "error bad_parameter: fqdn and value, or domain and keyAuth, are missing"},
		{"no value", "/present", `{"fqdn":"_acme-challenge.` + host1 + `"}`, json, noDigest},
		{"42 characters", "/present", strings.Replace(fqdn, v, v[1:], 1), json, noDigest},
		{"44 characters", "/present", strings.Replace(fqdn, v, v+"x", 1), json, noDigest},
		{"another text", "/present", strings.Replace(fqdn, v, strings.Repeat("x", 42)+"!", 1), json, noDigest},
		{"no body", "/present", "", json, body},
		{"broken", "/present", fqdn[:20], json, body},
		{"an array", "/present", "[" + fqdn + "]", json, body},
		{"a number", "/present", `{"fqdn":1}`, json, body},
		{"null", "/present", `{"fqdn":null}`, json, body},
		{"twice", "/present", `{"fqdn":"a","FQDN":"b"}`, json, body},
		{"NUL", "/present", `{"fqdn":"_acme-challenge.a\u0000"}`, json, body},
		{"two objects", "/present", fqdn + fqdn, json, body},
		{"deeply nested", "/present", strings.Repeat(`{"a":`, 10000), json, body},
		{"unknown members", "/present", strings.Replace(fqdn, "{", `{"x":[{"fqdn":"y"}],`, 1), json, host1 + ". TXT:add " + v},

		{"acme-dns", "/update", `{"subdomain":"home","txt":"` + v + `"}`, key, "home TXT:roll/add " + v + "; short"},
		{"acme-dns, older goacmedns", "/update", `{"SubDomain":"` + host1 + `","Txt":"` + v + `"}`, key, host1 + " TXT:roll/add " + v + "; short"},
		{"acme-dns, acme.sh", "/update", `{"subdomain":"home", "txt": "` + v + `"}`, key + "\n" + form, "home TXT:roll/add " + v + "; short"},
		{"acme-dns, no digest", "/update", `{"subdomain":"home","txt":"x"}`, key, noDigest},
		{"acme-dns, broken", "/update", `{"subdomain"`, key, body},

		{"records", "/records", `{"add":[{"name":"_acme-challenge.` + host1 + `","type":"TXT","data":"` + v + `"}]}`, json, host1 + ". TXT:add " + v},
		{"records, a list twice", "/records", `{"add":[],"ADD":[{"name":"` + host1 + `","type":"A","data":"192.0.2.1"}]}`, json, lists},
		{"records, a list twice as Unicode folds it", "/records", `{"set":[],"ſet":[{"name":"` + host1 + `","type":"A","data":"192.0.2.1"}]}`, json, lists},
		{"records, a member twice", "/records", `{"add":[{"name":"` + host1 + `","Name":"` + host1 + `","type":"A","data":"192.0.2.1"}]}`, json, lists},
		{"records, an unknown member", "/records", `{"put":[]}`, json, lists},
		{"records, an unknown member of a record", "/records", `{"add":[{"name":"` + host1 + `","type":"A","data":"192.0.2.1","x":1}]}`, json, lists},
		{"records, two objects", "/records", `{}{}`, json, lists},
		{"records, an array", "/records", `[]`, json, lists},
		{"records, no body", "/records", "", json, lists},
		{"records, a number as text", "/records", `{"add":[{"name":1}]}`, json, lists},
		{"records, a negative TTL", "/records", `{"add":[{"name":"` + host1 + `","type":"A","ttl":-1,"data":"192.0.2.1"}]}`, json, lists},
		{"records, deeply nested", "/records", strings.Repeat(`{"add":[`, 8000), json, lists},
		{"records, an argument", "/records?name=" + host1, `{}`, json, `error bad_parameter: Unknown query string argument: "name"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, credential, sub, err := ask(t, jsonRequest(t, test.path, test.body, basic, test.header), atDomain)
			if got := answer(sub, err); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if got := fmt.Sprint(credential.Secrets); got != "[token]" {
				t.Errorf("secrets %s", got)
			}
		})
	}
}

func TestChallengeReplies(t *testing.T) {
	v := strings.Repeat("x", 43)
	body := `{"fqdn": "_acme-challenge.` + host1 + `.", "value": "` + v + `"}` + "\n"
	update := `{"subdomain":"home","txt":"` + v + `"}`
	ok := service.Outcome{Hosts: []service.HostOutcome{host(host1+".", service.Record{Type: zone.TypeTXT, New: []string{v}, Changed: true})}}
	failed := func(reason service.Reason) service.Outcome {
		return service.Outcome{Hosts: []service.HostOutcome{{Name: host1 + ".", Err: &service.Error{Reason: reason, Message: "m"}}}}
	}
	tests := []struct {
		name, path, body string
		outcome          service.Outcome
		want             string
	}{
		{"present repeats the body", "/present", body, ok, "200 " + body},
		{"clean-up too", "/cleanup", body, ok, "200 " + body},
		{"not granted", "/present", body, failed(service.NotGranted), `403 {"error":{"word":"PARAMETER_ERROR","message":"m"}}` + "\n"},
		{"a CNAME", "/present", body, failed(zone.Conflict), `409 {"error":{"word":"DNS_SERVER_ERROR","message":"m"}}` + "\n"},
		{"too many", "/present", body, failed(zone.Busy), `503 {"error":{"word":"DNS_SERVER_ERROR","message":"m"}}` + "\n"},
		{"acme-dns", "/update", update, ok, `200 {"txt":"` + v + `"}`},
		{"acme-dns, wrong token", "/update", update, refused(service.BadCredential, "m"), `401 {"error":"forbidden"}`},
		{"acme-dns, not granted", "/update", update, failed(service.NotGranted), `401 {"error":"forbidden"}`},
		{"acme-dns, no such name", "/update", update, failed(service.BadName), `400 {"error":"bad_subdomain"}`},
		{"acme-dns, no digest", "/update", update, refused(service.BadParameter, "m"), `400 {"error":"bad_txt"}`},
		{"acme-dns, unreachable", "/update", update, failed(zone.Unreachable), `502 {"error":"m"}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			call, _, _, err := ask(t, jsonRequest(t, test.path, test.body, "X-Api-Key: t"), atDomain)
			if err != nil {
				t.Fatal(err)
			}
			reply := call.reply(test.outcome)
			if got := fmt.Sprint(reply.Status, " ", string(reply.Body)); got != test.want || reply.ContentType != "application/json" {
				t.Errorf("%s %q, want %q", reply.ContentType, got, test.want)
			}
		})
	}
}
