package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/clients/manage"
	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

// customerSite finds clients elsewhere; the zones are in memory.
func customerSite(source string) string {
	return "http://:{$HTTP_PORT} {\ndyndns {\ndomain localhost\nsecret 12345678\nclient fixed {\ntoken " + caddytest.CanaryToken + "\nhosts fixed.mem.test\n}\n" +
		"clients " + source + "\nzone mem.test {\nmemory 60\n}\nzone other.test {\nmemory 60\n}\n}\n}\n"
}

// manageClients sends a request to the admin API below /dyndns/clients.
func manageClients(s *caddytest.Server, method, path, body string, headers ...string) caddytest.Reply {
	s.T.Helper()
	got, err := s.Do(method, s.Admin+"/dyndns/clients"+path, body, headers...)
	if err != nil {
		s.T.Fatal(err)
	}
	return got
}

// newToken has a token made.
func newToken(s *caddytest.Server, client, body string) manage.NewToken {
	s.T.Helper()
	got := manageClients(s, http.MethodPost, "/"+client+"/tokens", body)
	var made manage.NewToken
	if err := json.Unmarshal([]byte(got.Body), &made); err != nil || got.Status != http.StatusCreated {
		s.T.Fatalf("%v in %d %s", err, got.Status, got.Body)
	}
	return made
}

// update asks as a router does and returns the reply.
func update(s *caddytest.Server, host, address, token string) string {
	s.T.Helper()
	return s.Get(s.HTTP+"/nic/update?hostname="+host+"&myip="+address, caddytest.BasicAuth("any", token)).Body
}

// A customer comes, changes and goes without a reload, and each change counts at once.
func TestCustomer(t *testing.T) {
	s := caddytest.Serve(t, adminOn, customerSite("storage"))
	config := s.Get(s.Admin + "/config/").Body

	created := manageClients(s, http.MethodPut, "/ada", `{"hosts":["ada.mem.test","ada.other.test","*.ada.mem.test"],"note":"first"}`, "If-None-Match: *")
	if created.Status != 201 || created.Header.Get("ETag") == "" {
		t.Fatalf("created: %d %s", created.Status, created.Body)
	}
	// A token that was tried before it was made is not unknown for another ten seconds.
	first := newToken(s, "ada", "")
	if got := update(s, "ada.mem.test", "192.0.2.1", first.Token); got != "good 192.0.2.1" {
		t.Errorf("the new customer: %s", got)
	}
	if got := update(s, "ada.other.test,x.ada.mem.test,eve.mem.test", "192.0.2.1", first.Token); got != "good 192.0.2.1\ngood 192.0.2.1\nnohost" {
		t.Errorf("more names: %s", got)
	}
	if got := s.Get(s.HTTP+"/statistics/updates-by-fqdn", "Host: localhost", caddytest.BasicAuth("", first.Token)); got.Status != 200 || !strings.Contains(got.Body, "ada.mem.test") {
		t.Errorf("the pages: %d %s", got.Status, got.Body)
	}

	second := newToken(s, "ada", `{"others_expire_in":"0s"}`)
	if got := update(s, "ada.mem.test", "192.0.2.2", first.Token); got != "badauth" {
		t.Errorf("the old token: %s", got)
	}
	if got := update(s, "ada.mem.test", "192.0.2.2", second.Token); got != "good 192.0.2.2" {
		t.Errorf("the new token: %s", got)
	}

	owner := newToken(s, "ada", `{"owner":true,"expires_in":"1d"}`)
	if owner.Expires.Sub(owner.Created).Hours() != 24 {
		t.Errorf("the owner's token is %+v", owner)
	}
	if got := update(s, "ada.mem.test", "192.0.2.3", owner.Token); got != "nohost" {
		t.Errorf("the owner's token: %s", got)
	}
	if got := s.Get(s.HTTP+"/statistics/updates-by-fqdn", "Host: localhost", caddytest.BasicAuth("", owner.Token)); got.Status != 200 {
		t.Errorf("the pages, with the owner's token: %d", got.Status)
	}

	rotate := func(token string) caddytest.Reply {
		got, err := s.Do(http.MethodPost, s.HTTP+"/statistics/updates-by-fqdn?rotate", "", "Host: localhost", "Accept: application/json", caddytest.BasicAuth("", token))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := rotate(second.Token); got.Status != http.StatusForbidden {
		t.Errorf("a new token by the router's: %d %s", got.Status, got.Body)
	}
	var rotated struct{ Token string }
	if got := rotate(owner.Token); json.Unmarshal([]byte(got.Body), &rotated) != nil || got.Status != 200 {
		t.Errorf("a new token by the owner's: %d %s", got.Status, got.Body)
	}
	for _, token := range []string{second.Token, rotated.Token} { // for a day
		if got := update(s, "ada.mem.test", "192.0.2.2", token); got != "nochg 192.0.2.2" {
			t.Errorf("after the owner made a new token: %s", got)
		}
	}

	for _, tt := range []struct{ name, record, want string }{
		{"other hosts", `{"hosts":["other.mem.test"]}`, "nohost"},
		{"from elsewhere", `{"hosts":["ada.mem.test"],"from":["198.51.100.0/24"]}`, "nohost"},
		{"disabled", `{"hosts":["ada.mem.test"],"disabled":true}`, "nohost"},
		{"as before", `{"hosts":["ada.mem.test"],"limit":{"changes":2,"per":"1h"}}`, "nochg 192.0.2.2"},
	} {
		if got := manageClients(s, http.MethodPut, "/ada", tt.record); got.Status != 200 {
			t.Errorf("%s: %d %s", tt.name, got.Status, got.Body)
		}
		if got := update(s, "ada.mem.test", "192.0.2.2", second.Token); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	for n, want := range []string{"good 192.0.2.10", "good 192.0.2.11", "911", "911"} {
		if got := update(s, "ada.mem.test", fmt.Sprint("192.0.2.", 10+n), second.Token); got != want {
			t.Errorf("change %d within the limit: %s, want %s", n, got, want)
		}
	}
	if got := s.Get(s.HTTP+"/nic/update?hostname=ada.mem.test&myip=192.0.2.99", caddytest.BasicAuth("", second.Token)); got.Status != 503 || got.Header.Get("Retry-After") == "" {
		t.Errorf("over the limit: %d %v", got.Status, got.Header)
	}

	if got := manageClients(s, http.MethodDelete, "/ada/tokens/"+second.ID, ""); got.Status != 204 {
		t.Errorf("revoked: %d %s", got.Status, got.Body)
	}
	if got := update(s, "ada.mem.test", "192.0.2.11", second.Token); got != "badauth" {
		t.Errorf("revoked: %s", got)
	}
	third := newToken(s, "ada", "")
	got := manageClients(s, http.MethodDelete, "/ada?purge=true", "")
	if got.Status != 200 || strings.TrimSpace(got.Body) != `{"hosts":["ada.mem.test."],"purged":true}` {
		t.Errorf("removed: %d %s", got.Status, got.Body)
	}
	if got := update(s, "ada.mem.test", "192.0.2.11", third.Token); got != "badauth" {
		t.Errorf("removed: %s", got)
	}
	if got := s.Get(s.HTTP + "/update-by-path/12345678/ada.mem.test/192.0.2.50").Body; !strings.HasPrefix(got, "UPDATED: ada.mem.test. A None -> 192.0.2.50\n") {
		t.Errorf("after the purge: %s", got)
	}

	if got := s.Get(s.Admin + "/config/").Body; got != config {
		t.Error("the configuration was changed")
	}
	for _, token := range []string{first.Token, second.Token, third.Token, owner.Token} {
		if strings.Contains(s.Log(), token) {
			t.Error("the log tells a token")
		}
	}
	if n := strings.Count(s.Log(), `"client":"ada"`); n == 0 {
		t.Error("the log does not name the client")
	}
}

// A name that two have is not purged with the first of them.
func TestSharedHostIsKept(t *testing.T) {
	s := caddytest.Serve(t, adminOn, customerSite("storage"))
	for _, name := range []string{"ada", "bob"} {
		if got := manageClients(s, http.MethodPut, "/"+name+"?shared=true", `{"hosts":["both.mem.test","`+name+`.mem.test"],"lan":[{"name":"nas.mem.test","interface_id":"::1"}]}`); got.Status != 201 {
			t.Fatalf("%d %s", got.Status, got.Body)
		}
	}
	token := newToken(s, "bob", "").Token
	if got := update(s, "both.mem.test", "192.0.2.1", token); got != "good 192.0.2.1" {
		t.Fatal(got)
	}
	for _, tt := range []struct{ name, want string }{
		{"ada", `{"hosts":["ada.mem.test."],"purged":true}`},
		{"bob", `{"hosts":["both.mem.test.","bob.mem.test.","nas.mem.test."],"purged":true}`},
	} {
		if tt.name == "bob" {
			if got := update(s, "both.mem.test", "192.0.2.1", token); got != "nochg 192.0.2.1" {
				t.Errorf("after the other was removed: %s", got)
			}
		}
		if got := manageClients(s, http.MethodDelete, "/"+tt.name+"?purge=true", ""); strings.TrimSpace(got.Body) != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got.Body, tt.want)
		}
	}
}

func TestCustomerAPI(t *testing.T) {
	s := caddytest.Serve(t, adminOn, customerSite("storage"))
	put := func(name string) string {
		got := manageClients(s, http.MethodPut, "/"+name, `{"hosts":["`+name+`.mem.test"]}`)
		if got.Status != 201 {
			t.Fatalf("%d %s", got.Status, got.Body)
		}
		return got.Header.Get("ETag")
	}
	tag := put("ada")
	put("eve")
	record := `{"hosts":["ada.mem.test"]}`
	for _, tt := range []struct {
		name, method, path, body, header string
		status                           int
		want                             string
	}{
		{"get", "GET", "/ada", "", "", 200, `"hosts":["ada.mem.test"]`},
		{"nobody", "GET", "/bob", "", "", 404, "not found: client bob"},
		{"no path", "GET", "/ada/hosts", "", "", 404, "not found"},
		{"method", "POST", "/ada", "", "", 405, "method not allowed"},
		{"method of the list", "DELETE", "", "", "", 405, "method not allowed"},
		{"exists", "PUT", "/ada", record, "If-None-Match: *", 412, "exists already"},
		{"another tag to exclude", "PUT", "/ada", record, `If-None-Match: "x"`, 400, "only *"},
		{"changed meanwhile", "PUT", "/ada", record, `If-Match: "0123456789abcdef"`, 412, "changed by somebody else"},
		{"weak tag", "PUT", "/ada", record, "If-Match: W/" + tag, 412, "changed by somebody else"},
		{"tag", "PUT", "/ada", record, `If-Match: "x", ` + tag, 200, "ada"},
		{"token with another tag", "POST", "/ada/tokens", "", `If-Match: "x"`, 412, "changed"},
		{"removal with another tag", "DELETE", "/ada", "", `If-Match: "x"`, 412, "changed"},
		{"no body", "PUT", "/ada", "", "", 400, "bad record"},
		{"another name", "PUT", "/ada", `{"name":"eve","hosts":["ada.mem.test"]}`, "", 400, "another name"},
		{"unknown member", "PUT", "/ada", `{"hosts":["ada.mem.test"],"form":[]}`, "", 400, `unknown field \"form\"`},
		{"outside of all zones", "PUT", "/ada", `{"hosts":["ada.example.org"]}`, "", 400, "in no configured zone"},
		{"host of another", "PUT", "/ada", `{"hosts":["eve.mem.test"]}`, "", 409, `client \"eve\" has eve.mem.test. already`},
		{"host of another, asked for", "PUT", "/ada?shared=true", `{"hosts":["eve.mem.test"]}`, "", 200, "eve.mem.test"},
		{"plain token", "PUT", "/ada", `{"hosts":["ada.mem.test"],"tokens":["` + caddytest.CanaryToken + `"]}`, "", 400, "by its digest"},
		{"name with spaces", "PUT", "/two%20words", `{"hosts":["two.mem.test"]}`, "", 201, `"name":"two words"`},
		{"name with a slash", "PUT", "/a%2Fb", record, "", 400, "must not be a path"},
		{"long name", "PUT", "/" + strings.Repeat("x", 300), record, "", 400, "longer than 200 bytes"},
		{"name of a part of the API", "PUT", "/export", record, "", 405, "method not allowed"},
		{"long body", "PUT", "/ada", strings.Repeat(" ", 70_000), "", 400, "too large"},
		{"token of nobody", "POST", "/bob/tokens", "", "", 404, "not found"},
		{"unknown token", "DELETE", "/ada/tokens/0123456789ab", "", "", 404, "has no token of this id"},
		{"expiry that is none", "POST", "/ada/tokens", `{"expires_in":"soon"}`, "", 400, "not a duration"},
		{"request that is none", "POST", "/ada/tokens", `{"expire":"1d"}`, "", 400, "unknown field"},
		{"page that is none", "GET", "?limit=0", "", "", 400, "limit"},
		{"unused that is none", "GET", "?unused=long", "", "", 400, "unused: long is not a duration"},
		{"another namespace", "GET", "?namespace=nothing", "", "", 404, "no dyndns handler"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var headers []string
			if tt.header != "" {
				headers = []string{tt.header}
			}
			got := manageClients(s, tt.method, tt.path, tt.body, headers...)
			if got.Status != tt.status || !strings.Contains(got.Body, tt.want) {
				t.Errorf("got %d %s, want %d %s", got.Status, got.Body, tt.status, tt.want)
			}
			if got.Status >= 400 && got.Status != 404 && !strings.HasPrefix(got.Body, `{"error":`) {
				t.Errorf("%s is no error of Caddy's admin API", got.Body)
			}
			if got.Status == 405 && got.Header.Get("Allow") == "" {
				t.Error("it does not say what is allowed")
			}
			caddytest.CheckNoSecret(t, got.Body)
		})
	}
	caddytest.CheckNoSecret(t, s.Log())
}

// A list is told in pages, each client once.
func TestCustomerPages(t *testing.T) {
	s := caddytest.Serve(t, adminOn, customerSite("storage"))
	var lines strings.Builder
	for n := range 25 {
		fmt.Fprintf(&lines, `{"name":"c%d","hosts":["c%d.mem.test"]}`+"\n", n, n)
	}
	manageClients(s, http.MethodPost, "/import", lines.String())
	seen := map[string]bool{}
	after := ""
	for range 3 {
		var page manage.Page
		if err := json.Unmarshal([]byte(manageClients(s, http.MethodGet, "?limit=10&after="+after, "").Body), &page); err != nil {
			t.Fatal(err)
		}
		for _, c := range page.Clients {
			seen[c.Name] = true
		}
		after = page.Next
	}
	if len(seen) != 25 || after != "" {
		t.Errorf("%d clients, then %q", len(seen), after)
	}
}

// Who has not asked for so long is listed, but not who is new or of whom nothing was
// written down.
func TestUnusedCustomers(t *testing.T) {
	s := caddytest.Serve(t, adminOn, customerSite("storage"))
	names := []string{"never", "long-ago", "lately", "new"}
	for _, name := range names {
		manageClients(s, http.MethodPut, "/"+name, `{"hosts":["`+name+`.mem.test"]}`)
	}
	newToken(s, "new", "")
	list := func() string {
		t.Helper()
		var page manage.Page
		if err := json.Unmarshal([]byte(manageClients(s, http.MethodGet, "?unused=180d", "").Body), &page); err != nil {
			t.Fatal(err)
		}
		var listed []string
		for _, c := range page.Clients {
			text := c.Name
			if !c.LastSeen.IsZero() {
				text += c.LastSeen.Format(" 2006")
			}
			listed = append(listed, text)
		}
		slices.Sort(listed)
		return strings.Join(listed, ", ")
	}
	if got := list(); got != "" {
		t.Errorf("nothing is written down, and %s are unused", got)
	}
	folder := filepath.Join(s.Dir, "storage", "dyndns", "seen")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`{"since":"2020-01-01T00:00:00Z","last":{"long-ago":%d,"lately":%d}}`,
		time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC).Unix(), time.Now().Add(-24*time.Hour).Unix())
	for n := range 256 {
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%02x.json", n)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := list(); got != "long-ago 2021, never" {
		t.Errorf("%s are unused", got)
	}
}

// Of an import the bad lines are told by their number and the rest goes in; again it
// changes nothing, and an export is an import.
func TestCustomerImport(t *testing.T) {
	s := caddytest.Serve(t, adminOn, customerSite("storage"))
	line := func(name, host string) string {
		return fmt.Sprintf(`{"name":%q,"hosts":[%q],"tokens":[%q]}`, name, host, clients.DigestOf("token-of-customer-"+name))
	}
	lines := []string{
		line("a", "a.mem.test"), "", "{nonsense", line("b", "b.mem.test"), line("c", "c.example.org"), strings.Repeat("x", 200_000),
		line("d", "d.mem.test"), strings.Replace(line("e", "e.mem.test"), "sha256:", "", 1), line("a", "a.mem.test"), line("import", "i.mem.test"),
	}
	var got manage.Imported
	send := func(text, want string) {
		t.Helper()
		got = manage.Imported{}
		reply := manageClients(s, http.MethodPost, "/import", text)
		if err := json.Unmarshal([]byte(reply.Body), &got); err != nil || reply.Status != 200 {
			t.Fatalf("%v in %d %s", err, reply.Status, reply.Body)
		}
		numbers := []int{}
		for _, e := range got.Errors {
			numbers = append(numbers, e.Line)
		}
		if told := fmt.Sprint(got.Created, got.Replaced, got.Unchanged, got.Failed, numbers); told != want {
			t.Errorf("got %s, want %s: %+v", told, want, got.Errors)
		}
	}
	send(strings.Join(lines, "\n"), "3 0 1 5 [3 5 6 8 10]")
	send(strings.Join(lines, "\r\n"), "0 0 4 5 [3 5 6 8 10]")
	for _, name := range []string{"a", "b", "d"} {
		if got := update(s, name+".mem.test", "192.0.2.1", "token-of-customer-"+name); got != "good 192.0.2.1" {
			t.Errorf("%s: %s", name, got)
		}
	}
	exported := manageClients(s, http.MethodGet, "/export", "").Body
	if n := strings.Count(exported, "\n"); n != 3 {
		t.Errorf("exported %s", exported)
	}
	send(exported, "0 0 3 0 []")
	manageClients(s, http.MethodDelete, "/b", "")
	send(exported, "1 0 2 0 []")
	if got := update(s, "b.mem.test", "192.0.2.1", "token-of-customer-b"); got != "nochg 192.0.2.1" {
		t.Errorf("the customer who is back: %s", got)
	}
}

// Without clients in storage there is nothing to manage, and a token of a storage that
// was configured before is none any more.
func TestCustomersAfterReload(t *testing.T) {
	s := caddytest.Serve(t, adminOn, customerSite("storage"))
	manageClients(s, http.MethodPut, "/ada", `{"hosts":["ada.mem.test"]}`)
	token := newToken(s, "ada", "").Token
	if got := update(s, "ada.mem.test", "192.0.2.1", token); got != "good 192.0.2.1" {
		t.Fatal(got)
	}
	for _, tt := range []struct{ source, want string }{{"storage", "good 192.0.2.1"}, {"storage elsewhere", "badauth"}, {"storage {\ncache 1m\n}", "good 192.0.2.1"}} {
		if err := s.Load(customerSite(tt.source)); err != nil {
			t.Fatal(err)
		}
		if got := update(s, "ada.mem.test", "192.0.2.1", token); got != tt.want {
			t.Errorf("with %s: %s", tt.source, got)
		}
	}
	path := filepath.Join(t.TempDir(), "clients.jsonl")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Load(customerSite("file " + path)); err != nil {
		t.Fatal(err)
	}
	await.Done(t, "the end of the storage", func() error {
		if got := manageClients(s, http.MethodGet, "", ""); got.Status != 404 {
			return fmt.Errorf("%d %s", got.Status, got.Body)
		}
		return nil
	})
}

// Each change of a customer is an event.
func TestCustomerEvents(t *testing.T) {
	events := make(chan string, 10)
	record(t, func(e caddy.Event) { events <- eventText(e) })
	s := caddytest.Serve(t, adminOn+"events {\non dyndns.client_changed dyndns_test\n}\n", customerSite("storage"))
	change := func(method, path, body, want string) {
		t.Helper()
		manageClients(s, method, path, body)
		if got := <-events; got != "dyndns.client_changed http.handlers.dyndns change="+want+" client=ada" {
			t.Errorf("%s %s: %s", method, path, got)
		}
	}
	change(http.MethodPut, "/ada", `{"hosts":["ada.mem.test"]}`, "created")
	manageClients(s, http.MethodPut, "/ada", `{"hosts":["ada.mem.test"]}`) // nothing changes
	change(http.MethodPut, "/ada", `{"hosts":["b.mem.test"]}`, "replaced")
	change(http.MethodPost, "/import", `{"name":"ada","hosts":["c.mem.test"]}`, "replaced")
	change(http.MethodPost, "/ada/tokens", "", "token_added")
	change(http.MethodPut, "/ada", `{"hosts":["c.mem.test"],"tokens":["`+clients.DigestOf("token-of-a-customer").String()+`"]}`, "replaced")
	change(http.MethodDelete, "/ada/tokens/"+clients.Token{Digest: clients.DigestOf("token-of-a-customer")}.ID(), "", "token_removed")
	change(http.MethodDelete, "/ada", "", "removed")
}
