//go:build integration && linux

package clients

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// example reads a file of example/routers and replaces what its reader would:
// each old text must be there.
func example(t *testing.T, name string, oldnew ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../example/routers", name))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(oldnew); i += 2 {
		if !strings.Contains(string(text), oldnew[i]) {
			t.Fatalf("%s does not have %q", name, oldnew[i])
		}
	}
	return strings.NewReplacer(oldnew...).Replace(string(text))
}

// The configurations that users copy work but for server, authority, source of
// the address and token.
func TestExamples(t *testing.T) {
	s := start(t, true)
	address := strings.TrimPrefix(numeric(s.URL), "https://")
	const good = host + ". A 192.0.2.7"
	rows := []struct {
		name    string
		run     func(*testing.T) result
		text    string
		records string
	}{
		{
			"ddclient.conf",
			func(t *testing.T) result {
				return ddclient(t, "syslog=no", "ssl_ca_file="+s.RootCA(), example(t, "ddclient.conf",
					"use=web, web=https://dyndns.example.com/ip", "use=cmd, cmd='echo 192.0.2.7'",
					"server=dyndns.example.com", "server="+address, "YOUR-TOKEN", token))
			},
			"SUCCESS:  updating home.dyn.example.com: good: IP address set to 192.0.2.7", good,
		},
		{
			"inadyn.conf",
			func(t *testing.T) result {
				return inadyn(t, "ca-trust-file = "+s.RootCA(), example(t, "inadyn.conf",
					"checkip-server = dyndns.example.com", "",
					`checkip-path   = "/ip"`, `checkip-command = "/bin/echo 192.0.2.7"`,
					"ddns-server    = dyndns.example.com", "ddns-server = "+address, "YOUR-TOKEN", token))
			},
			"Successful alias table update for home.dyn.example.com => new IP# 192.0.2.7", good,
		},
		{
			"openwrt.ddns, IPv4", func(t *testing.T) result { return openwrt(t, s, address, "home_ipv4", "192.0.2.7") },
			"good 192.0.2.7", good,
		},
		{
			"openwrt.ddns, IPv6", func(t *testing.T) result { return openwrt(t, s, address, "home_ipv6", "2001:db8::7") },
			"good 2001:db8::7", host + ". AAAA 2001:db8::7",
		},
		{"mikrotik.rsc", func(t *testing.T) result { return mikrotik(t, s, address) }, "good 192.0.2.7", good},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			s.clear()
			outcome{0, row.text}.check(t, row.run(t))
			if got := s.records(); got != row.records {
				t.Errorf("DNS has %q, want %q", got, row.records)
			}
		})
	}
}

var uciOption = regexp.MustCompile(`option (\w+) '(.*)'`)

// openwrt does what ddns-scripts do with a section: fill the template, fetch it
// with wget and look for a word in the answer.
func openwrt(t *testing.T, s *server, address, section, ip string) result {
	t.Helper()
	_, text, found := strings.Cut(example(t, "openwrt.ddns", "YOUR-TOKEN", token, "@dyndns.example.com/", "@"+address+"/", "/etc/ssl/certs", s.RootCA()),
		"config service '"+section+"'")
	if !found {
		t.Fatalf("there is no section %s", section)
	}
	text, _, _ = strings.Cut(text, "\nconfig ")
	option := map[string]string{}
	for _, m := range uciOption.FindAllStringSubmatch(text, -1) {
		option[m[1]] = m[2]
	}
	url := strings.NewReplacer("[USERNAME]", option["username"], "[PASSWORD]", option["password"],
		"[DOMAIN]", option["domain"], "[IP]", ip).Replace(option["update_url"])
	return run(t, "", "sh", "-c", `wget -nv -t 1 -O "$1" --ca-certificate="$2" "$3" && grep -iE 'good|nochg' "$1"`,
		"sh", filepath.Join(t.TempDir(), "answer"), option["cacert"], url)
}

var (
	rscLocal = regexp.MustCompile(`(?m)^:local (\w+) "(.*)"$`)
	rscFetch = regexp.MustCompile(`(?s)/tool fetch mode=https check-certificate=yes http-method=get.*user="([^"]*)" password=\$(\w+) .*url=\((.*?)\)\]`)
)

// mikrotik puts the URL together as the script does and asks for it with curl.
func mikrotik(t *testing.T, s *server, address string) result {
	t.Helper()
	text := example(t, "mikrotik.rsc", "YOUR-TOKEN", token, "https://dyndns.example.com/", "https://"+address+"/")
	variable := map[string]string{"ip": "192.0.2.7"}
	for _, m := range rscLocal.FindAllStringSubmatch(text, -1) {
		variable[m[1]] = m[2]
	}
	fetch := rscFetch.FindStringSubmatch(text)
	if fetch == nil {
		t.Fatal("mikrotik.rsc fetches nothing")
	}
	var url strings.Builder
	for part := range strings.SplitSeq(fetch[3], " . ") {
		name, isVariable := strings.CutPrefix(part, "$")
		literal, begins := strings.CutPrefix(part, `"`)
		literal, ends := strings.CutSuffix(literal, `"`)
		switch {
		case isVariable && variable[name] != "":
			url.WriteString(variable[name])
		case begins && ends:
			// RouterOS takes a question mark in a string for a request for help.
			url.WriteString(strings.ReplaceAll(literal, `\?`, "?"))
		default:
			t.Fatalf("%s is neither a string nor a variable", part)
		}
	}
	return run(t, "", "curl", "-fsS", "--cacert", s.RootCA(), "-u", fetch[1]+":"+variable[fetch[2]], url.String())
}

var (
	readmeQuery = regexp.MustCompile("(?m)^\\| ([^|]+) \\| .*?/nic/update\\?([^ `]+)[` ]")
	// placeholders are what the routers put their values in for.
	placeholders = strings.NewReplacer(
		"<domain>", host, "<ipaddr>", "192.0.2.7", "<ip6addr>", "", "<ip6lanprefix>", "2001:db8:0:5::/64",
		"%h", host, "%i", "192.0.2.7", // UniFi
		"%HOST%", host, "%IP%", "192.0.2.7",
		"[DOMAIN]", host, "[IP]", "192.0.2.7",
		"__HOSTNAME__", host, "__MYIP__", "192.0.2.7",
		"###IP###", "192.0.2.7",
	)
)

// The URLs that the README tells users to enter into their routers work.
func TestReadmeSettings(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := readmeQuery.FindAllStringSubmatch(string(readme), -1)
	if len(rows) < 7 {
		t.Errorf("found %d routers with a URL", len(rows))
	}
	s := start(t, false)
	for _, row := range rows {
		t.Run(row[1], func(t *testing.T) {
			s.clear()
			if got, want := s.send(t, get(placeholders.Replace(row[2]))), reply("HTTP/1.1", 200, "good 192.0.2.7"); got != want {
				t.Errorf("%s\ngot  %q\nwant %q", row[2], got, want)
			}
		})
	}
}
