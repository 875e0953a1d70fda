package pages

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// settingsOf decodes the JSON form of the usage page.
func settingsOf(t *testing.T, s Site, host string) (page struct {
	Host      string
	Endpoints []Endpoint
	Settings  []Device
}) {
	t.Helper()
	if err := json.Unmarshal([]byte(write(t, Usage(s, Visitor{}, host), s, JSON)), &page); err != nil {
		t.Fatal(err)
	}
	return page
}

func allValues(d Device) string {
	var b strings.Builder
	for _, s := range d.Settings {
		b.WriteString(s.Value + "\n")
	}
	return b.String()
}

func TestEverySettingIsComplete(t *testing.T) {
	unfilled := regexp.MustCompile(`\{[a-z-]+\}`)
	for _, tt := range []struct {
		name   string
		site   Site
		server string // as the device has to be told, with the path prefix
	}{
		{"usual", Site{Host: "dyn.example.com"}, "dyn.example.com"},
		{"other port", Site{Host: "dyn.example.com:8443"}, "dyn.example.com:8443"},
		{"prefix", Site{Host: "example.com", Base: "/dyn"}, "example.com/dyn"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			page := settingsOf(t, tt.site, "nas.example.net")
			if want := len(devices); tt.site.Base == "" && len(page.Settings) != want {
				t.Errorf("%d of %d devices", len(page.Settings), want)
			}
			for _, d := range page.Settings {
				values := allValues(d)
				if unfilled.MatchString(values) {
					t.Errorf("%s: %s", d.ID, unfilled.FindString(values))
				}
				if !strings.Contains(values, "nas.example.net") {
					t.Errorf("%s does not name the host", d.ID)
				}
				if d.ID != "curl" && !strings.Contains(values, placeholderToken) {
					t.Errorf("%s does not say where the token goes", d.ID)
				}
				// DrayTek takes it in two fields.
				if d.ID != "speedport" && !strings.Contains(strings.ReplaceAll(values, "\n", ""), tt.server) {
					t.Errorf("%s does not name the server", d.ID)
				}
				if tt.site.Base != "" && strings.Count(values, "/nic/update") != strings.Count(values, tt.site.Base+"/nic/update") {
					t.Errorf("%s leaves out the prefix", d.ID)
				}
			}
			for _, e := range page.Endpoints {
				if !strings.HasPrefix(e.Path, tt.site.Base+"/") || unfilled.MatchString(e.Path+e.Use) {
					t.Errorf("endpoint %s", e.Path)
				}
			}
		})
	}
}

// TestExactSettings pins what the devices were observed to need.
func TestExactSettings(t *testing.T) {
	fields := make(map[string]string)
	for _, d := range settingsOf(t, Site{Host: "dyn.example.com"}, "nas.example.net").Settings {
		for _, s := range d.Settings {
			fields[d.ID+"/"+s.Label] = s.Value
		}
	}
	for field, want := range map[string]string{
		"fritzbox/Update URL":     "https://dyn.example.com/nic/update?hostname=<domain>&myip=<ipaddr>,<ip6addr>&ip6lanprefix=<ip6lanprefix>",
		"unifi/Server":            "dyn.example.com/nic/update?hostname=%h&myip=%i",
		"pfsense/Result Match":    "good %IP%|nochg %IP%",
		"pfsense/Update URL":      "https://dyn.example.com/nic/update?hostname=nas.example.net&myip=%IP%",
		"opnsense/Server":         "https://dyn.example.com/update-by-query?fqdn=__HOSTNAME__&ip_1=__MYIP__",
		"synology/Query URL":      "https://dyn.example.com/nic/update?hostname=__HOSTNAME__&myip=__MYIP__&system=dyndns&wildcard=NOCHG&mx=NOCHG&backmx=NOCHG",
		"speedport/Update server": "dyn.example.com",
		"speedport/Port":          "443",
	} {
		if fields[field] != want {
			t.Errorf("%s: %q, want %q", field, fields[field], want)
		}
	}
}

// TestURLsParse: after the device has put its values in, a URL has exactly the
// arguments that it should.
func TestURLsParse(t *testing.T) {
	fill := strings.NewReplacer(
		"<domain>", "nas.example.net", "<ipaddr>", "192.0.2.1", "<ip6addr>", "2001:db8::1", "<ip6lanprefix>", "2001:db8::/56",
		"%IP%", "192.0.2.1", "__HOSTNAME__", "nas.example.net", "__MYIP__", "192.0.2.1", "[USERNAME]", "dyndns", "[PASSWORD]", placeholderToken,
		"[DOMAIN]", "nas.example.net", "[IP]", "192.0.2.1", "%USER%", "dyndns", "%PASS%", placeholderToken, "%HOST%", "nas.example.net",
		`\?`, "?", `" . $host . "`, "nas.example.net", // RouterOS
	)
	found := 0
	for _, d := range settingsOf(t, Site{Host: "dyn.example.com"}, "nas.example.net").Settings {
		for _, raw := range regexp.MustCompile(`https://[^\s"']+`).FindAllString(fill.Replace(allValues(d)), -1) {
			u, err := url.Parse(raw)
			if err != nil || u.Host != "dyn.example.com" {
				t.Errorf("%s: %s: %v", d.ID, raw, err)
				continue
			}
			switch u.Path {
			case "/ip":
			case "/nic/update":
				found++
				if u.Query().Get("hostname") != "nas.example.net" {
					t.Errorf("%s: %s", d.ID, raw)
				}
			case "/update-by-query":
				found++
				if q := u.Query(); q.Get("fqdn") != "nas.example.net" || q.Get("ip_1") != "192.0.2.1" {
					t.Errorf("%s: %s", d.ID, raw)
				}
			default:
				t.Errorf("%s: path %s", d.ID, u.Path)
			}
		}
	}
	if found < 8 {
		t.Errorf("only %d update URLs", found)
	}
}
