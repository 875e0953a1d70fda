package pages

import (
	"encoding/json"
	"fmt"
	"html"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/internal/history"
	"github.com/caddy-dyndns/dyndns/internal/service"
)

var site = Site{Host: "dyn.example.com", Statistics: true}

// evil is what every text that comes from outside is set to.
const evil = "<script>alert('1')</script>\"><img src=x onerror=alert(2)>{{.}}\x1b[31m\n"

var client = clients.NewUnrestricted("home")

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// details are those of a host of which nothing expires.
func details() Details {
	return Details{Reader: client, Expires: func(history.Current) (time.Time, bool) { return time.Time{}, false }}
}

// A host's page says when what it holds expires.
func TestExpires(t *testing.T) {
	at := time.Now().Add(50 * time.Hour).UTC()
	host := history.Host{Name: "home.example.com.", Current: []history.Current{{Type: "A", Values: []string{"192.0.2.1"}}, {Type: "AAAA", Values: []string{"2001:db8::1"}}}}
	d := details()
	d.Expires = func(c history.Current) (time.Time, bool) { return at, c.Type == "A" }
	page := Host(host, d, noon)
	for format, want := range map[Format]string{
		HTML: "expires <time datetime=\"" + at.Format("2006-01-02T15:04:05Z") + "\">in 2 days <span class=\"exact\">" + at.Format(time.DateTime) + "</span></time> unless",
		Text: "A expires (UTC)", JSON: `"expires":"` + at.Format("2006-01-02T15:04:05"),
	} {
		if got := write(t, page, Site{}, format); !strings.Contains(got, want) || strings.Contains(got, "AAAA expires") {
			t.Errorf("%s", got)
		}
	}
}

func evilHost(name string) history.Host {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return history.Host{
		Name: name, First: now, Last: now, Changed: now, Submissions: 3, Changes: 2, LastResult: "updated",
		Client: evil, Source: evil, UserAgent: evil, Current: []history.Current{{Type: "TXT", Values: []string{evil}}},
		Log: []history.Change{{At: now, Type: "TXT", Old: []string{}, New: []string{evil}}},
	}
}

// write returns a page as it is sent.
func write(t testing.TB, p Page, s Site, f Format) string {
	t.Helper()
	var b strings.Builder
	if err := p.Write(&b, s, f); err != nil {
		t.Error(err)
	}
	return b.String()
}

// renderAll writes every page with hostile and with empty data.
func renderAll(t *testing.T, s Site, f Format) map[string]string {
	t.Helper()
	host := evilHost(evil)
	sub := history.Submission{At: host.Last, Name: evil, Result: "updated", Records: host.Log, Message: evil, Times: 3, Client: evil, Source: evil, UserAgent: evil}
	all := make(map[string]string)
	for name, page := range map[string]Page{
		"usage":        Usage(s, Visitor{}, ""),
		"usage filled": Usage(s, Visitor{Address: netip.MustParseAddr("192.0.2.1"), Client: evil, Hosts: []string{evil}}, "a.example.com"),
		"usage evil":   Usage(s, Visitor{Address: netip.MustParseAddr("fe80::1%eth0"), Client: evil, Hosts: []string{evil, evil}}, evil),
		"hosts":        Hosts(client, []history.Host{host}, nil, 2, 120, noon),
		"no hosts":     Hosts(client, nil, nil, 1, 0, noon),
		"host":         Host(host, details(), noon),
		"bare host":    Host(history.Host{Name: "a."}, details(), noon),
		"latest":       Latest(evil, []history.Submission{sub}, 1, 51),
		"no latest":    Latest("", nil, 1, 0),
		"message":      Message(evil, evil),
	} {
		all[name] = write(t, page, s, f)
	}
	return all
}

var (
	styleElement = regexp.MustCompile(`(?s)<style>(.*?)</style>`)
	ownScript    = regexp.MustCompile(`(?s)<script>(.*?)</script>\n</body>`)
	tag          = regexp.MustCompile(`<[a-z][^>]*>`)
	quoted       = regexp.MustCompile(`="([^"\s]*)[^"]*"`) // no value is looked into behind its first space
	attribute    = regexp.MustCompile(`\s(href|src|action|style|on\w+)="?([^"\s>]*)`)
	idAttribute  = regexp.MustCompile(`\sid="([^"]*)"`)
	inputElement = regexp.MustCompile(`<input id="([^"]*)" name="([^"]*)"`)
)

func TestHTML(t *testing.T) {
	for name, page := range renderAll(t, site, HTML) {
		t.Run(name, func(t *testing.T) {
			for _, want := range []string{`<!doctype html>`, `<html lang="en">`, `name="viewport"`, `<main id="main"`, `</html>`} {
				if strings.Count(page, want) != 1 {
					t.Errorf("%d times %s", strings.Count(page, want), want)
				}
			}
			if strings.Count(page, "<h1") != 1 || !regexp.MustCompile(`<title>[^<]+</title>`).MatchString(page) {
				t.Error("no single heading or no title")
			}
			// The policy allows the one script by its hash.
			scripts := ownScript.FindAllStringSubmatch(page, -1)
			if len(scripts) != 1 || !strings.Contains(ContentSecurityPolicy, "script-src "+hash(scripts[0][1])+";") {
				t.Error("the policy does not allow the page's script")
			}
			page = ownScript.ReplaceAllString(page, "</body>")
			for _, bad := range []string{"<script", "<img", "ZgotmplZ", "<no value>"} {
				if strings.Contains(page, bad) {
					t.Errorf("the page contains %q", bad)
				}
			}
			// The policy allows the one stylesheet by its hash and data URLs as icons.
			styles := styleElement.FindAllStringSubmatch(page, -1)
			if len(styles) != 1 || !strings.Contains(ContentSecurityPolicy, hash(styles[0][1])) {
				t.Error("the policy does not allow the page's style")
			}
			tags := strings.Join(tag.FindAllString(styleElement.ReplaceAllString(page, ""), -1), "\n")
			for _, a := range attribute.FindAllStringSubmatch(quoted.ReplaceAllString(tags, `="$1"`), -1) {
				local := strings.HasPrefix(a[2], "/") && !strings.HasPrefix(a[2], "//") || strings.HasPrefix(a[2], "#") || strings.HasPrefix(a[2], "?")
				icon := a[1] == "href" && strings.HasPrefix(a[2], "data:image/svg+xml,")
				if (a[1] != "href" && a[1] != "action") || !local && !icon {
					t.Errorf("attribute %s=%s", a[1], a[2])
				}
			}
			seen := make(map[string]bool)
			for _, id := range idAttribute.FindAllStringSubmatch(page, -1) {
				if seen[id[1]] {
					t.Errorf("two elements have the id %s", id[1])
				}
				seen[id[1]] = true
			}
			for _, input := range inputElement.FindAllStringSubmatch(page, -1) {
				if !strings.Contains(page, `<label for="`+input[1]+`">`) {
					t.Errorf("no label for %s", input[1])
				}
			}
			if strings.Count(page, "<table") != strings.Count(page, "<caption") {
				t.Error("a table without a caption")
			}
		})
	}
}

func TestContentSecurityPolicy(t *testing.T) {
	for _, want := range []string{"default-src 'none'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"} {
		if !strings.Contains(ContentSecurityPolicy, want) {
			t.Errorf("%s is missing", want)
		}
	}
	for _, bad := range []string{"unsafe", "*", "http"} {
		if strings.Contains(ContentSecurityPolicy, bad) {
			t.Errorf("it contains %s", bad)
		}
	}
}

func TestText(t *testing.T) {
	for name, page := range renderAll(t, site, Text) {
		if page == "" || !strings.HasSuffix(page, "\n") {
			t.Errorf("%s: empty or without a newline at the end", name)
		}
		if strings.ContainsFunc(page, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r == 0x7f }) {
			t.Errorf("%s: a control character reaches the terminal", name)
		}
	}
}

func TestJSON(t *testing.T) {
	all := renderAll(t, site, JSON)
	for name, page := range all {
		var decoded map[string]any
		if err := json.Unmarshal([]byte(page), &decoded); err != nil || len(decoded) == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := all["no hosts"]; got != `{"hosts":[],"refusals":[],"page":1,"pages":1,"total":0}`+"\n" {
		t.Errorf("no hosts: %s", got)
	}
}

// TestFormRoundTrip fills in the form as a browser without scripts does.
func TestFormRoundTrip(t *testing.T) {
	get := func(host string) string { return write(t, Usage(site, Visitor{}, host), site, HTML) }
	form := regexp.MustCompile(`(?s)<form method="get" action="/">.*?<input id="host" name="` + ParamHost + `" value="([^"]*)"`)
	for _, tt := range []struct {
		name, typed, filled string // filled is empty if the name is refused
	}{
		{"plain", "nas.dyn.example.com", "nas.dyn.example.com"},
		{"final dot, upper case, spaces", " NAS.dyn.example.com. ", "nas.dyn.example.com"},
		{"IDN", "bücher.example.com", "xn--bcher-kva.example.com"},
		{"wildcard", "*.example.com", "*.example.com"},
		{"address", "192.0.2.1", ""},
		{"markup", `"><b>x</b>`, ""},
		{"shell", "a.example.com';reboot;'", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			page := get(tt.typed)
			value := form.FindStringSubmatch(page)
			if value == nil || html.UnescapeString(value[1]) != tt.typed {
				t.Errorf("the form shows %q", value)
			}
			if refused := strings.Contains(page, `aria-invalid="true"`); refused != (tt.filled == "") {
				t.Errorf("refused: %v", refused)
			}
			want := tt.filled
			if want == "" {
				want = placeholderName
			}
			if !strings.Contains(page, `<dt>Domain name</dt><dd><code>`+want+`</code></dd>`) {
				t.Errorf("the settings are not for %s", want)
			}
		})
	}
	if page := get(""); strings.Contains(page, `type="password"`) || strings.Count(page, "<input") != 1 {
		t.Error("the form asks for more than a name")
	}
}

func TestNoAddressAndNoChange(t *testing.T) {
	none := history.Change{Type: "AAAA", Old: []string{}, New: []string{}}
	removed := history.Change{Type: "A", Old: []string{"192.0.2.1"}, New: []string{}}
	hosts := Hosts(client, []history.Host{{
		Name: "home.example.com.", Current: []history.Current{{Type: "A", Values: []string{}}, {Type: "AAAA", Values: []string{}}},
	}}, nil, 1, 1, noon)
	latest := Latest("", []history.Submission{{
		Name: "home.example.com.", Result: "updated", Records: []history.Change{removed, none},
	}}, 1, 1)
	rows := []struct {
		name   string
		page   Page
		format Format
		want   string
	}{
		{"host", hosts, HTML, `data-label="Addresses"><span class="quiet">none</span></td>`},
		{"host as text", hosts, Text, "home.example.com  new     none  "},
		{"submission", latest, HTML,
			`<div>A <code>192.0.2.1</code> → <span class="quiet">none</span></div><div>AAAA <span class="quiet">none</span></div>`},
		{"submission as text", latest, Text, "A 192.0.2.1 -> none; AAAA none "},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if page := write(t, row.page, site, row.format); !strings.Contains(page, row.want) {
				t.Errorf("no %q in %s", row.want, page)
			}
		})
	}
}

func TestLinksOfTheLists(t *testing.T) {
	prefixed := Site{Host: "example.com", Base: "/dyn", Statistics: true}
	lists := write(t, Hosts(client, []history.Host{evilHost("*.a.example.com.")}, nil, 2, 120, noon), prefixed, HTML)
	for _, want := range []string{
		`href="/dyn` + PathHosts + `?` + ParamFQDN + `=` + strings.ToLower(url.QueryEscape("*.a.example.com")) + `"`,
		`name="` + ParamFQDN + `"`,
		`href="/dyn` + PathLatest + `"`,
		`href="?` + ParamPage + `=1"`, `href="?` + ParamPage + `=3"`, `Page 2 of 3`,
	} {
		if !strings.Contains(lists, want) {
			t.Errorf("%s is missing", want)
		}
	}
	without := Site{Host: "example.com"}
	if strings.Contains(write(t, Usage(without, Visitor{}, ""), without, HTML), PathHosts) {
		t.Error("a link to statistics that do not exist")
	}
	text := write(t, Usage(without, Visitor{}, ""), without, Text)
	if !strings.Contains(text, "/?"+ParamHost+"="+placeholderName+"\n") {
		t.Error("the argument of the usage page has another name")
	}
	for number, want := range map[int]string{1: "\npage 1 of 3; ?" + ParamPage + "=2\n", 3: "\npage 3 of 3\n"} {
		if page := write(t, Hosts(client, nil, nil, number, 120, noon), site, Text); !strings.HasSuffix(page, want) {
			t.Errorf("page %d ends otherwise than %q: %s", number, want, page)
		}
	}
}

func TestPage(t *testing.T) {
	for _, tt := range []struct {
		query                        string
		total, number, pages, offset int
		previous, next               int
	}{
		{"", 0, 1, 1, 0, 0, 0},
		{"1", 50, 1, 1, 0, 0, 0},
		{"1", 51, 1, 2, 0, 0, 2},
		{"2", 101, 2, 3, 50, 1, 3},
		{"3", 101, 3, 3, 100, 2, 0},
		{"9", 101, 9, 3, 400, 3, 0},
		{"-1", 101, 1, 3, 0, 0, 2},
		{"0x2", 101, 1, 3, 0, 0, 2},
		{"99999999999999999999", 101, 1, 3, 0, 0, 2},
	} {
		l := newList(PageNumber(tt.query), tt.total)
		got := fmt.Sprint(l.Number, l.Pages, Offset(l.Number), l.Previous(), l.Next())
		if want := fmt.Sprint(tt.number, tt.pages, tt.offset, tt.previous, tt.next); got != want {
			t.Errorf("%q of %d: got %s, want %s", tt.query, tt.total, got, want)
		}
	}
}

func TestNegotiate(t *testing.T) {
	for _, tt := range []struct {
		name, accept string
		want         Format
	}{
		{"none", "", Text},
		{"curl", "*/*", Text},
		{"Firefox", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", HTML},
		{"Chrome", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8", HTML},
		{"JSON", "application/json", JSON},
		{"JSON and anything", "application/json, */*;q=0.1", JSON},
		{"JSON before HTML", "text/html;q=0.5, application/json", JSON},
		{"HTML not at all", "text/html;q=0, */*", Text},
		{"text before HTML", "text/plain, text/html;q=0.9", Text},
		{"upper case", "TEXT/HTML", HTML},
		{"broken weight", "text/html;q=x", Text},
		{"broken", ";;,,text", Text},
		{"no number", "application/json;q=NaN", Text},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Negotiate(tt.accept); got != tt.want {
				t.Errorf("got %s", got.ContentType())
			}
		})
	}
}

func FuzzNegotiate(f *testing.F) {
	f.Add("text/html;q=0.5, application/json, */*;q=0.1")
	f.Fuzz(func(t *testing.T, accept string) {
		if got := Negotiate(accept); got > JSON {
			t.Errorf("format %d", got)
		}
	})
}

func FuzzUsage(f *testing.F) {
	f.Add("nas.example.com")
	f.Add(evil)
	f.Fuzz(func(t *testing.T, host string) {
		page := write(t, Usage(site, Visitor{}, host), site, HTML)
		if strings.Count(page, "<script") != 1 || strings.Count(page, "<input") != 1 {
			t.Error("markup got through")
		}
	})
}

func TestStatus(t *testing.T) {
	const host = "home.example.com."
	ago := func(d time.Duration) time.Time { return noon.Add(-d) }
	holds := func(values ...string) []history.Current { return []history.Current{{Type: "A", Values: values}} }
	refusal := func(name string, at time.Time) []history.Refusal { return []history.Refusal{{Name: name, At: at}} }
	tests := []struct {
		name     string
		host     history.Host
		refusals []history.Refusal
		want     string
	}{
		{"confirmed", history.Host{Last: ago(time.Hour), LastResult: "unchanged", Current: holds("192.0.2.1")}, nil, "current"},
		{"never asked for", history.Host{}, nil, "new"},
		{"failed last", history.Host{Last: ago(time.Hour), LastResult: "failed", Current: holds("192.0.2.1")}, nil, "failing"},
		{"refused since", history.Host{Last: ago(time.Hour), LastResult: "updated"}, refusal(host, ago(time.Minute)), "refused"},
		{"refused before", history.Host{Last: ago(time.Hour), LastResult: "updated"}, refusal(host, ago(2*time.Hour)), "current"},
		{"refused by what stands in DNS", history.Host{Last: ago(time.Hour), LastResult: "refused"}, refusal(host, ago(time.Hour)), "refused"},
		{"refused, and never asked for otherwise", history.Host{}, refusal(host, ago(time.Hour)), "refused"},
		{"another was refused", history.Host{Last: ago(time.Hour), LastResult: "updated"}, refusal("other.example.com.", ago(time.Minute)), "current"},
		{"silent", history.Host{Last: ago(32 * 24 * time.Hour), LastResult: "updated", Current: holds("192.0.2.1")}, nil, "stale"},
		{"private", history.Host{Last: ago(time.Hour), LastResult: "updated", Current: holds("192.0.2.1", "100.64.0.1")}, nil, "private"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.host.Name = host
			if got := statusOf(&tt.host, tt.refusals, noon); got != tt.want {
				t.Errorf("got %s", got)
			}
		})
	}
}

// Every refusal of a client has a cure.
func TestCures(t *testing.T) {
	for _, reason := range service.Reasons {
		unknown := reason == service.NoCredential || reason == service.BadCredential || reason == service.Throttled
		if (cures[reason] == "") != unknown {
			t.Errorf("%s: %q", reason, cures[reason])
		}
	}
	if len(cures) != len(service.Reasons)-3 {
		t.Errorf("%d cures of %d reasons", len(cures), len(service.Reasons))
	}
	refusals := []history.Refusal{{At: noon, Reason: service.BadAddress, Cause: "?ipaddr? is not an IP address"}}
	for _, format := range []Format{HTML, Text, JSON} {
		page := write(t, Hosts(client, nil, refusals, 1, 0, noon), site, format)
		if !strings.Contains(page, "?ipaddr? is not an IP address") || !strings.Contains(page, "others reach") {
			t.Errorf("%s", page)
		}
	}
}

func TestAgo(t *testing.T) {
	const day = 24 * time.Hour
	for d, want := range map[time.Duration]string{
		0: "just now", 59 * time.Second: "just now", -59 * time.Second: "just now", time.Minute: "1 minute ago", 59*time.Minute + 59*time.Second: "59 minutes ago",
		time.Hour: "1 hour ago", day - 1: "23 hours ago", day: "1 day ago", 60*day - 1: "59 days ago", 60 * day: "2 months ago",
		729 * day: "24 months ago", 730 * day: "2 years ago", -90 * time.Minute: "in 1 hour", -40 * day: "in 40 days",
	} {
		if got := ago(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

// A refused address says nothing of a host, but the client has one alone.
func TestRefusalOfTheOnlyHost(t *testing.T) {
	spec := func(name string, hosts ...string) clients.Spec {
		return clients.Spec{Name: name, Tokens: []string{name + "-token_0123456789"}, Hosts: hosts}
	}
	static, err := clients.NewStatic([]clients.Spec{
		spec("one", "home.dyn.test", "*.home.dyn.test", "_acme-challenge.dyn.test"), spec("two", "home.dyn.test", "nas.dyn.test"),
	}, clients.NewConfig([]string{"dyn.test."}))
	if err != nil {
		t.Fatal(err)
	}
	host := history.Host{Name: "home.dyn.test.", Last: noon.Add(-time.Hour), LastResult: "updated"}
	for _, tt := range []struct {
		client string
		reason service.Reason
		name   string
		want   string
	}{
		{"one", service.BadAddress, "", "refused"},
		{"one", service.BadAddress, "cam.home.dyn.test.", "current"},
		{"one", service.BadMethod, "", "current"},
		{"two", service.BadAddress, "", "current"},
	} {
		client, _ := static.FindClient(t.Context(), clients.DigestOf(tt.client+"-token_0123456789"))
		refusals := []history.Refusal{{At: noon, Reason: tt.reason, Name: tt.name, Cause: "1.2.3 is not an IP address"}}
		d := details()
		d.Reader, d.Refusals = client, refusals
		list, page := write(t, Hosts(client, []history.Host{host}, refusals, 1, 1, noon), site, JSON), write(t, Host(host, d, noon), site, JSON)
		if status := `"status":"` + tt.want + `"`; !strings.Contains(list, status) || !strings.Contains(page, status) ||
			strings.Contains(page, "1.2.3 is") != (tt.want == "refused") {
			t.Errorf("%+v\n%s%s", tt, list, page)
		}
	}
}
