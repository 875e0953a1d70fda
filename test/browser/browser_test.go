//go:build integration && linux

// Package browser shows the pages of a whole server to Chromium.
package browser

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/test/site"
)

const (
	zone  = "dyn.example.com."
	home  = "home.dyn.example.com"
	token = "home-router_0123456789"

	hostsPath  = "/statistics/updates-by-fqdn"
	latestPath = "/statistics/latest-submissions"

	dnsTypeA = 1 // RFC 1035 section 3.2.2
)

// start runs Caddy with the pages at https://localhost.
func start(t *testing.T) (*site.Site, *dnstest.ZoneState) {
	t.Helper()
	t.Setenv("XDG_DATA_HOME", t.TempDir()) // Caddy keeps its name there
	key := dnstest.Key{Name: zone, Algorithm: "hmac-sha512", Secret: make([]byte, 64)}
	rand.Read(key.Secret)
	ns := dnstest.NewServer(dnstest.Zone{Name: zone, Keys: []dnstest.Key{key}})
	t.Cleanup(ns.Close)
	s := site.Run(t, site.Config{HTTPS: true, Body: fmt.Sprintf(`dyndns {
		nameserver %s
		zone %s %s
		client home-router {
			token %s
			hosts home.dyn.example.com *.home.dyn.example.com
			lan nas.home.dyn.example.com ::211:32ff:fe12:3456
		}
		domain localhost
		throttle off
		timeout 2s
	}`, ns.Addr(), zone, base64.StdEncoding.EncodeToString(key.Secret), token)})
	return s, ns.Zone(zone)
}

func bearer() string { return "Authorization: Bearer " + token }

// submit asks for a change as a router does.
func submit(t *testing.T, s *site.Site, query string, headers ...string) {
	t.Helper()
	r, err := s.Get(t.Context(), "/nic/update?"+query, append(headers, bearer())...)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(query, r.Body)
}

// fill submits what makes every part of the statistics show.
func fill(t *testing.T, s *site.Site, z *dnstest.ZoneState) {
	t.Helper()
	const fritzbox = "User-Agent: Fritz!Box DDNS/1.0.2"
	for i := range 4 {
		submit(t, s, fmt.Sprintf("hostname=%s&myip=192.0.2.%d,2001:db8:aaaa:%d::1&ip6lanprefix=2001:db8:aaaa:%d::/64", home, i/2+1, i/2, i/2), fritzbox)
	}
	z.Edit("alias.home.dyn.example.com. 300 IN CNAME example.net.")
	submit(t, s, "hostname=alias."+home+"&myip=192.0.2.9", "User-Agent: curl/8.14.1")
	submit(t, s, "hostname=workshop.long-label-of-a-summer-house-in-the-mountains.second-long-label-for-good-measure."+home+"&myip=198.51.100.200",
		`User-Agent: <script>alert("x")</script> `+strings.Repeat("unbreakable", 20))
	var names []string
	for i := range 60 {
		if names = append(names, fmt.Sprintf("sensor-%02d.%s", i, home)); len(names) == 20 {
			submit(t, s, "myip=203.0.113.5&hostname="+strings.Join(names, ","), "User-Agent: inadyn/2.12.0 https://github.com/troglobit/inadyn/issues")
			names = nil
		}
	}
	submit(t, s, "myip=-&hostname=sensor-07."+home)
	submit(t, s, "myip=100.64.0.7&hostname=sensor-08."+home)
	submit(t, s, "myip=192.0.2.1&hostname=office.dyn.example.com")
	submit(t, s, "myip=<ipaddr&hostname="+home)
}

// Each page, as a visitor sees it.
var views = []struct {
	name, path string
	password   bool
	status     int
}{
	{"usage", "/#fritzbox", false, 200},
	{"usage filled in", "/?host=" + home + "#openwrt", false, 200},
	{"usage signed in", "/?sign-in#caddy", true, 200},
	{"usage with a bad name", "/?host=" + strings.Repeat("very-long-", 9) + "..%22%3E%3Cscript%3E", false, 200},
	{"no password", hostsPath, false, 401},
	{"hosts", hostsPath, true, 200},
	{"hosts, second page", hostsPath + "?page=2", true, 200},
	{"host", hostsPath + "?fqdn=" + home, true, 200},
	{"long host", hostsPath + "?fqdn=workshop.long-label-of-a-summer-house-in-the-mountains.second-long-label-for-good-measure." + home, true, 200},
	{"unknown host", hostsPath + "?fqdn=" + strings.Repeat("long-label.", 12) + "example.net", true, 404},
	{"latest", latestPath, true, 200},
	{"latest, second page", latestPath + "?page=2", true, 200},
}

// At the widths of a desktop, a phone and the narrowest window with tables, light
// and dark, no page makes the browser complain, scrolls sideways or has text with
// too little contrast.
func TestPages(t *testing.T) {
	s, z := start(t)
	fill(t, s, z)
	b := startBrowser(t)
	visitor, owner := b.openPrivate(), b.open()
	visitor.answerPassword("")
	owner.answerPassword(token)
	for _, width := range []int{1280, 390, 1100} {
		for _, scheme := range []string{"light", "dark"} {
			for _, v := range views {
				t.Run(fmt.Sprintf("%s, %d, %s", v.name, width, scheme), func(t *testing.T) {
					p := visitor
					if v.password {
						p = owner
					}
					p.show(width, scheme)
					p.visit(s.URL + v.path)
					if status := p.order[len(p.order)-1].status; status != v.status {
						t.Errorf("status %d, want %d", status, v.status)
					}
					for _, complaint := range p.takeTrouble() {
						// Chromium counts the page's own status as trouble.
						if v.status == 200 || !strings.Contains(complaint, fmt.Sprintf("status of %d", v.status)) {
							t.Error(complaint)
						}
					}
					for _, defect := range p.defects() {
						t.Error(defect)
					}
					var dark bool
					if p.eval(`matchMedia("(prefers-color-scheme: dark)").matches`, &dark); dark != (scheme == "dark") {
						t.Errorf("dark: %v", dark)
					}
					if dir := os.Getenv("DYNDNS_SCREENSHOTS"); dir != "" {
						p.screenshot(filepath.Join(dir, strings.ReplaceAll(fmt.Sprintf("%s-%d-%s.png", v.name, width, scheme), " ", "_")))
					}
				})
			}
		}
	}
	for _, p := range []*tab{visitor, owner} {
		for _, f := range p.order {
			if !strings.HasPrefix(f.url, s.URL) && !strings.HasPrefix(f.url, "data:image/svg+xml,") {
				t.Errorf("the browser asked for %s", f.url)
			}
		}
	}
	if owner.asked != 1 {
		t.Errorf("the browser asked for the password %d times", owner.asked)
	}
}

// The checks of TestPages see what they are for.
func TestDefectsAreSeen(t *testing.T) {
	rows := []struct{ name, policy, body, want string }{
		{"nothing", "default-src 'none'; img-src data:", `text`, ""},
		{"script against the policy", "default-src 'none'", `<script>1</script>`, "security"},
		{"style against the policy", "default-src 'none'", `<p style="color: red">text`, "security"},
		{"image against the policy", "default-src 'none'", `<img src="/x.png">`, "security"},
		{"console", "", `<script>console.error("oh")</script>`, "console"},
		{"exception", "", `<script>throw 1</script>`, "exception"},
		{"missing image", "", `<img src="/missing">`, "network"},
		{"too wide", "", `<div style="width: 3000px">text`, "scrolls"},
		{"grey on grey", "", `<p style="color: #888; background: #999">text`, "contrast"},
	}
	b := startBrowser(t)
	p := b.open()
	p.show(390, "light")
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/missing" {
					http.NotFound(w, r)
					return
				}
				w.Header().Set("Content-Security-Policy", row.policy)
				w.Header().Set("Content-Type", "text/html")
				fmt.Fprint(w, `<!doctype html><link rel="icon" href="data:,">`, row.body)
			}))
			defer server.Close()
			p.visit(server.URL)
			found := strings.Join(append(p.takeTrouble(), p.defects()...), "\n")
			if row.want == "" && found != "" || !strings.Contains(found, row.want) {
				t.Errorf("found %q, want %q", found, row.want)
			}
		})
	}
}

// show sets the width of the window and the colours that the visitor prefers.
func (t *tab) show(width int, scheme string) {
	t.t.Helper()
	t.do("Emulation.setDeviceMetricsOverride", object{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
	t.do("Emulation.setEmulatedMedia", object{"features": []object{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// defects lists what is wrong with the page as it is laid out. Contrast is that
// of WCAG 2.2, section 1.4.3: 4.5 to 1, or 3 to 1 for large text.
func (t *tab) defects() (found []string) {
	t.t.Helper()
	t.eval(`(() => {
		const found = [], root = document.documentElement;
		if (root.scrollWidth > root.clientWidth)
			found.push("the page scrolls sideways: " + root.scrollWidth + " > " + root.clientWidth);
		const channels = color => color.match(/[\d.]+/g).map(Number);
		const luminance = color => channels(color).slice(0, 3)
			.map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
			.reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
		const backdrop = e => {
			for (; e; e = e.parentElement) {
				const color = getComputedStyle(e).backgroundColor;
				if (channels(color)[3] !== 0) return color;
			}
			return "rgb(255, 255, 255)";
		};
		const walker = document.createTreeWalker(document.body ?? root, NodeFilter.SHOW_TEXT);
		while (walker.nextNode()) {
			const text = walker.currentNode.data.trim(), e = walker.currentNode.parentElement, style = getComputedStyle(e);
			if (!text || !e.checkVisibility()) continue;
			const [a, b] = [luminance(style.color), luminance(backdrop(e))];
			const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), size = parseFloat(style.fontSize);
			const large = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
			if (contrast < (large ? 3 : 4.5)) found.push("contrast " + contrast.toFixed(2) + " of " + text);
		}
		return found;
	})()`, &found)
	return found
}

func (t *tab) screenshot(file string) {
	t.t.Helper()
	var shot struct{ Data []byte }
	t.do("Page.captureScreenshot", object{"captureBeyondViewport": true}, &shot)
	if err := os.WriteFile(file, shot.Data, 0o600); err != nil {
		t.t.Fatal(err)
	}
}

// click clicks into the middle of an element.
func (t *tab) click(selector string) {
	t.t.Helper()
	var at [2]float64
	t.eval(fmt.Sprintf(`(() => { const e = document.querySelector(%q); e.scrollIntoView();
		const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] })()`, selector), &at)
	for _, kind := range []string{"mousePressed", "mouseReleased"} {
		t.do("Input.dispatchMouseEvent", object{"type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1}, nil)
	}
}
