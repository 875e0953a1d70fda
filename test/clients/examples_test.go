//go:build integration && linux

package clients

import (
	"encoding/json"
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
				ip := filepath.Join(t.TempDir(), "ip") // ddclient quotes the command
				// By another process: a fork of ours must not hold it open for writing.
				run(t, "", "sh", "-c", `printf '#!/bin/sh\necho 192.0.2.7\n' >"$1" && chmod 700 "$1"`, "sh", ip)
				return ddclient(t, "syslog=no", "ssl_ca_file="+s.RootCA(), example(t, "ddclient.conf",
					"usev4=webv4, webv4=https://dyndns.example.com/ip", "usev4=cmdv4, cmdv4="+ip,
					"server=dyndns.example.com", "server="+address, "YOUR-TOKEN", token))
			},
			"SUCCESS:  updating home.dyn.example.com: good: IP address set to 192.0.2.7", good,
		},
		{
			"inadyn.conf",
			func(t *testing.T) result {
				return inadyn(t, "ca-trust-file = "+s.RootCA(), example(t, "inadyn.conf",
					"curl -4fsS https://dyndns.example.com/ip", "/bin/echo 192.0.2.7",
					"curl -6fsS https://dyndns.example.com/ip", "/bin/echo 2001:db8::7",
					"ddns-server     = dyndns.example.com", "ddns-server = "+address, "YOUR-TOKEN", token))
			},
			"Successful alias table update for home.dyn.example.com => new IP# 2001:db8::7", good + "; " + host + ". AAAA 2001:db8::7",
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

// openWrtPrograms are what ddns-scripts fetch with, as far as Debian has packages.
var openWrtPrograms = []struct {
	name, command string
	https         bool // that of busybox does not get through
}{
	{"wget", `wget -nv -t 1 -O "$1" --ca-certificate="$2" "$3"`, true},
	{"curl", `curl -RsS -o "$1" --cacert "$2" "$3"`, true},
	{"busybox wget", `busybox wget -q -O "$1" "$3"`, false},
}

// openwrt does what ddns-scripts do with a section: fill the template of the provider,
// fetch it and look for the answer that the provider is said to give.
func openwrt(t *testing.T, s *server, command, section, ip string, oldnew ...string) result {
	t.Helper()
	_, text, found := strings.Cut(example(t, "openwrt.ddns", "YOUR-TOKEN", token, "/etc/ssl/certs/ca-certificates.crt", s.RootCA()), "config service '"+section+"'")
	if !found {
		t.Fatalf("there is no section %s", section)
	}
	text, _, _ = strings.Cut(text, "\nconfig ")
	option := map[string]string{}
	for _, m := range uciOption.FindAllStringSubmatch(text, -1) {
		option[m[1]] = m[2]
	}
	var provider struct{ IPv4, IPv6 struct{ URL, Answer string } }
	if err := json.Unmarshal([]byte(example(t, "openwrt.json", "https://[USERNAME]", "[USERNAME]")), &provider); err != nil {
		t.Fatal(err)
	}
	family := provider.IPv4
	if option["use_ipv6"] == "1" {
		family = provider.IPv6
	}
	scheme, server, _ := strings.Cut(numeric(s.URL), "://")
	url := strings.NewReplacer("[USERNAME]", option["username"], "[PASSWORD]", option["password"],
		"[DOMAIN]", option["domain"], "[IP]", ip, "dyndns.example.com", server).Replace(scheme + "://" + family.URL)
	url = strings.NewReplacer(oldnew...).Replace(url)
	return run(t, "", "sh", "-c", command+` && grep -i -E "$4" "$1"`, "sh", filepath.Join(t.TempDir(), "answer"), option["cacert"], url, family.Answer)
}

// ddns-scripts conclude the truth, whatever they fetch with.
func TestOpenWrt(t *testing.T) {
	for _, program := range openWrtPrograms {
		t.Run(program.name, func(t *testing.T) {
			s := start(t, program.https)
			for _, row := range []struct {
				name, section, ip string
				// oldnew changes the URL.
				oldnew  []string
				records string // empty if it is to fail
			}{
				{"IPv4", "home_ipv4", "192.0.2.7", nil, host + ". A 192.0.2.7"},
				{"IPv6", "home_ipv6", "2001:db8::7", nil, host + ". AAAA 2001:db8::7"},
				{"wrong token", "home_ipv4", "192.0.2.7", []string{token, "wrong-" + token}, ""},
				{"wrong name", "home_ipv4", "192.0.2.7", []string{"hostname=" + host, "hostname=foreign." + zone}, ""},
				{"wrong path", "home_ipv4", "192.0.2.7", []string{"/nic/update", "/nic/updat"}, ""},
			} {
				t.Run(row.name, func(t *testing.T) {
					s.clear()
					got := openwrt(t, s, program.command, row.section, row.ip, row.oldnew...)
					if success := got.exit == 0; success != (row.records != "") || s.records() != row.records {
						t.Errorf("it takes this for a success: %t; DNS has %q; it printed:\n%s", success, s.records(), got.output)
					}
				})
			}
		})
	}
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
	readmeQuery = regexp.MustCompile("(?m)^\\| ([^|]+) \\| .*?/nic/update\\?([^ `\"]+)[` \"]")
	// placeholders are what the routers put their values in for.
	placeholders = strings.NewReplacer(
		"<domain>", host, "<ipaddr>", "192.0.2.7", "<ip6addr>", "", "<ip6lanprefix>", "2001:db8:0:5::/64",
		"%h", host, "%i", "192.0.2.7", // UniFi
		"%HOST%", host, "%IP%", "192.0.2.7", "%USER%", "dyndns", "%PASS%", token, // pfSense, QNAP
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
	if len(rows) < 6 {
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
