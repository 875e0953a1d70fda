//go:build integration && linux

package browser

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/test/site"
)

// While the browser remembers the password, what another site's page makes it
// ask for changes nothing: neither from another site nor from another port of
// the same host, to which the browser gives the password as well.
func TestOtherSites(t *testing.T) {
	s, z := start(t)
	const change = "/update-by-query?fqdn=" + home + "&ipv4=203.0.113."
	const router = "/nic/update?hostname=" + home + "&myip=203.0.113."
	pages := []struct{ name, body string }{
		{"image", `<img src="TARGET` + change + `66">`},
		{"image for a router", `<img src="TARGET` + router + `66">`},
		{"frame", `<iframe src="TARGET` + change + `66"></iframe>`},
		{"style sheet", `<link rel="stylesheet" href="TARGET` + change + `66">`},
		{"script", `<script src="TARGET` + router + `66"></script>`},
		{"prefetch", `<link rel="prefetch" href="TARGET` + change + `66">`},
		{"fetch", `<script>fetch("TARGET` + change + `66", {mode: "no-cors", credentials: "include"})</script>`},
		{"fetch with CORS", `<script>fetch("TARGET` + change + `66", {credentials: "include"})</script>`},
		{"POST by fetch", `<script>fetch("TARGET/nic/update", {method: "POST", mode: "no-cors", credentials: "include",
			body: new URLSearchParams({hostname: "` + home + `", myip: "203.0.113.66"})})</script>`},
		{"POST by a form", `<form method="post" action="TARGET/update-by-query"><input name="fqdn" value="` + home + `">
			<input name="ipv4" value="203.0.113.66"></form><script>document.forms[0].submit()</script>`},
		{"GET by a form", `<form action="TARGET/nic/update"><input name="hostname" value="` + home + `">
			<input name="myip" value="203.0.113.66"></form><script>document.forms[0].submit()</script>`},
		{"link", `<a href="TARGET` + change + `66">a kitten</a><script>document.querySelector("a").click()</script>`},
		{"refresh", `<meta http-equiv="refresh" content="0; url=TARGET` + change + `66">`},
		{"image by a redirect", `<img src="/away">`},
		{"page by a redirect", `<script>location = "/away"</script>`},
	}
	evil := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, s.URL+change+"66", http.StatusSeeOther)
			return
		}
		for _, page := range pages {
			if r.URL.Query().Get("page") != page.name {
				continue
			}
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, `<!doctype html><link rel="icon" href="data:,">`, strings.ReplaceAll(page.body, "TARGET", s.URL))
			return
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(evil.Close)
	b := startBrowser(t)
	p := b.open()
	p.answerPassword(token)
	// The visitor tries an update by hand. A browser sends the password again by
	// itself to what lies below the folder of this URL (RFC 7617 section 2.2).
	p.visit(s.URL + strings.Replace(change, "203.0.113.", "192.0.2.1", 1))
	if got := z.Lookup(home+".", dnsTypeA); p.asked != 1 || !slices.Equal(got, []string{"192.0.2.1"}) {
		t.Fatalf("the browser asked for the password %d times, the record is %q", p.asked, got)
	}
	p.answerPassword("") // from now on it has to remember
	_, port, _ := strings.Cut(strings.TrimPrefix(evil.URL, "https://"), ":")
	for _, origin := range []string{"https://localhost:" + port, "https://127.0.0.1:" + port} {
		authorized := 0
		for _, page := range pages {
			t.Run(page.name+" at "+strings.Split(origin, ":")[1], func(t *testing.T) {
				before := len(refusals(t, s))
				p.mu.Lock()
				p.order = nil
				p.mu.Unlock()
				p.do("Page.navigate", object{"url": origin + "/?page=" + strings.ReplaceAll(page.name, " ", "+")}, nil)
				await.True(t, "a refusal", func() bool {
					refused := len(refusals(t, s)) > before
					if got := z.Lookup(home+".", dnsTypeA); !slices.Equal(got, []string{"192.0.2.1"}) {
						t.Fatalf("the record is %q", got)
					}
					return refused
				})
				p.mu.Lock()
				defer p.mu.Unlock()
				for _, f := range p.order {
					if strings.HasPrefix(f.url, s.URL) && f.authorization {
						authorized++
					}
				}
			})
		}
		// Else the browser has protected us, and nothing was tested.
		if authorized == 0 {
			t.Errorf("from %s the browser never sent the password", origin)
		}
		t.Logf("from %s the browser sent the password with %d of %d requests", origin, authorized, len(pages))
	}
	// Typed by the visitor, the same URL changes the record.
	p.visit(s.URL + change + "77")
	if got := z.Lookup(home+".", dnsTypeA); !slices.Equal(got, []string{"203.0.113.77"}) {
		t.Errorf("the record is %q", got)
	}
}

// refusals are the log's entries for requests that came from another site.
func refusals(t *testing.T, s *site.Site) (found []string) {
	t.Helper()
	log := s.Log()
	for line := range strings.Lines(log) {
		var entry struct {
			Reason, Result string
			Status         int
		}
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Reason == "cross_site" {
			if entry.Result != "refused" || entry.Status != http.StatusForbidden {
				t.Errorf("not refused: %s", line)
			}
			found = append(found, line)
		}
	}
	return found
}
