package dyndns

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/dnsupdate/dnstest"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

// runCommand runs caddy with the arguments and returns what it printed.
func runCommand(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := caddytest.Command(args...)
	cmd.Dir = t.TempDir()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCommandHelp(t *testing.T) {
	list, _, code := runCommand(t, "", "help")
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, name := range []string{"dyndns-check", "dyndns-health", "dyndns-token", "dyndns-import"} {
		help, _, code := runCommand(t, "", name, "--help")
		if code != 0 || !strings.Contains(help, "Usage:\n  caddy "+name) {
			t.Errorf("%s --help: exit code %d, %s", name, code, help)
		}
		if !strings.Contains(list, name) {
			t.Errorf("%s is not listed", name)
		}
		if _, stderr, code := runCommand(t, "", name, "--nonsense"); code != 1 || !strings.Contains(stderr, "unknown flag") {
			t.Errorf("%s --nonsense: exit code %d, %s", name, code, stderr)
		}
	}
}

func TestCommandCheck(t *testing.T) {
	t.Setenv("TEST_SECRET", "12345678")
	ns := caddytest.Nameserver(t, "dyn.example.com.", "other.example.com.")
	late := caddytest.Nameserver(t, "dyn.example.com.")
	late.SetClock(func() time.Time { return time.Now().Add(-time.Hour) })
	otherKey := caddytest.Key
	otherKey.Secret = []byte("another secret of this name")
	foreign := dnstest.NewServer(dnstest.Zone{Name: "dyn.example.com.", Keys: []dnstest.Key{otherKey}})
	t.Cleanup(foreign.Close)
	closed := caddytest.ReservePort(t).Addr()
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	stuck := dnstest.NewProxy(ns.Addr())
	t.Cleanup(stuck.Close)
	updates := 0
	stuck.SetFault(dnstest.OnUpdates(func(dnstest.Exchange) dnstest.Action {
		// The first is empty, the second writes.
		if updates++; updates > 2 {
			return dnstest.Forge(dns.RcodeRefused, caddytest.Key)
		}
		return dnstest.Pass()
	}))
	site := func(address, zones string) string {
		return address + " {\ndyndns {\nsecret {env.TEST_SECRET}\ntimeout 5s\n" + zones + "}\n}\n"
	}
	dyn := caddytest.ZoneBlock("dyn.example.com", ns.Addr())
	rows := []struct {
		name, config   string
		code           int
		stdout, stderr []string
	}{
		{"two zones, one of them in two handlers", site("http://a.example", dyn+caddytest.ZoneBlock("other.example.com", ns.Addr())) + site("http://b.example", dyn), 0,
			[]string{"zone dyn.example.com.\n", "zone other.example.com.\n", "reachable", "authoritative", "key", "clock", "write", "read back", "remove"}, nil},
		{"dead server", site("http://a.example", caddytest.ZoneBlock("dyn.example.com", closed)), 1,
			[]string{"FAILED  reachable", "connection refused", "nothing listens there"}, []string{"1 of 1 zones cannot be updated"}},
		{"dead server before a good one", site("http://a.example", caddytest.ZoneBlock("dyn.example.com", closed+" "+ns.Addr())), 0,
			[]string{"WARNING  reachable", "connection refused", "ok       remove", "WARNING  SOA minimum", "all zones can be updated, 1 of 1 with warnings\n"}, nil},
		{"no nameserver at the port", site("http://a.example", caddytest.ZoneBlock("dyn.example.com", strings.TrimPrefix(web.URL, "http://"))), 1,
			[]string{"ok      reachable", "FAILED  answers", "took the connection and sends no DNS message: ", "no nameserver "}, []string{"1 of 1"}},
		{"failed clean-up", site("http://a.example", caddytest.ZoneBlock("dyn.example.com", stuck.Addr())), 1,
			[]string{"ok       write", "FAILED   remove", "TXT may still be there, remove it by hand: "}, []string{"1 of 1"}},
		{"wrong key", site("http://a.example", caddytest.ZoneBlock("dyn.example.com", foreign.Addr())), 1,
			[]string{"ok      reachable", "FAILED  key", "BADSIG"}, []string{"1 of 1"}},
		{"skewed clock", site("http://a.example", caddytest.ZoneBlock("dyn.example.com", late.Addr())), 1,
			[]string{"FAILED  clock", "BADTIME"}, []string{"1 of 1"}},
		{"zone that is not served", site("http://a.example", dyn+caddytest.ZoneBlock("example.org", ns.Addr())), 1,
			[]string{"zone dyn.example.com.\n", "zone example.org.\n", "FAILED  authoritative", "answered REFUSED to a query: it shows this machine no zone example.org."}, []string{"1 of 2"}},
		{"a wildcard certificate over another's host", site("http://a.example", dyn+"client home {\ntoken canary-token_0123456789\nhosts home.dyn.example.com\n}\n"+
			"client nas {\ntoken canary-token_0123456788\nhosts nas.home.dyn.example.com\n}\n"), 0,
			[]string{"client home may get certificates for *.home.dyn.example.com., which hold for nas.home.dyn.example.com. of client nas too: no_certificates keeps it from that\n"}, nil},
		{"two clients with one host", site("http://a.example", dyn+"client home {\ntoken canary-token_0123456789\nhosts home.dyn.example.com\n}\n"+
			"client nas {\ntoken canary-token_0123456788\nhosts home.dyn.example.com\n}\n"), 0,
			[]string{"several clients may change home.dyn.example.com., and the last one wins: home, nas\n"}, nil},
		{"no handler", "http://a.example {\nrespond 200\n}\n", 1, nil, []string{"the configuration holds no dyndns handler"}},
		{"missing zone", site("http://a.example", "nameserver 127.0.0.1\n"), 1, nil, []string{"zone: at least one is needed"}},
		{"no Caddyfile", "http://a.example {\ndyndns {\nzoen x\n}\n}\n", 1, nil, []string{`unrecognized subdirective`, "zoen"}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			stdout, stderr, code := runCommand(t, "", "dyndns-check", "--config", writeFile(t, "Caddyfile", row.config))
			if code != row.code {
				t.Errorf("exit code %d, want %d", code, row.code)
			}
			for _, want := range row.stdout {
				if strings.Count(stdout, want) == 0 || strings.HasPrefix(want, "zone ") && strings.Count(stdout, want) != 1 {
					t.Errorf("%q is missing from:\n%s", want, stdout)
				}
			}
			for _, want := range row.stderr {
				if !strings.Contains(stderr, want) {
					t.Errorf("%q is missing from:\n%s", want, stderr)
				}
			}
			if row.code == 0 && strings.Contains(stdout, "FAILED") {
				t.Errorf("something failed:\n%s", stdout)
			}
			if strings.Contains(stdout+stderr, "12345678") {
				t.Error("the secret is printed")
			}
		})
	}
	for _, args := range [][]string{{"--config", "missing"}, {"--config", writeFile(t, "x.json", "{")}, {"--adapter", "caddyfile"}, nil} {
		if _, stderr, code := runCommand(t, "", append([]string{"dyndns-check"}, args...)...); code != 1 || stderr == "" {
			t.Errorf("%v: exit code %d, %s", args, code, stderr)
		}
	}
}

func TestCommandToken(t *testing.T) {
	lines := regexp.MustCompile(`^([A-Za-z0-9_-]{16,})\nsha256:([0-9a-f]{64})\n$`)
	stdout, _, code := runCommand(t, "", "dyndns-token")
	match := lines.FindStringSubmatch(stdout)
	if code != 0 || match == nil {
		t.Fatalf("exit code %d, %q", code, stdout)
	}
	if want := fmt.Sprintf("%x", sha256.Sum256([]byte(match[1]))); match[2] != want {
		t.Errorf("digest %s, want %s", match[2], want)
	}
	if again, _, _ := runCommand(t, "", "dyndns-token"); again == stdout {
		t.Error("the same token twice")
	}
	const token = "0123456789abcdef"
	digest := fmt.Sprintf("sha256:%x\n", sha256.Sum256([]byte(token)))
	rows := []struct {
		name, stdin, token string
		code               int
		stdout, stderr     string
	}{
		{"given", "", token, 0, digest, ""},
		{"from standard input", token + "\r\n", "-", 0, digest, ""},
		{"too short", "", "short", 1, "", "at least 16 characters"},
		{"nothing on standard input", "", "-", 1, "", "at least 16 characters"},
		{"other characters", "", "0123456789abcdef!", 1, "", "at least 16 characters"},
		{"digest", "", strings.TrimSpace(digest), 1, "", "a digest already"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			stdout, stderr, code := runCommand(t, row.stdin, "dyndns-token", "--token", row.token)
			if code != row.code || stdout != row.stdout || !strings.Contains(stderr, row.stderr) {
				t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
			}
		})
	}
}

func TestCommandTokenACME(t *testing.T) {
	const token = "0123456789abcdef"
	digest := fmt.Sprintf("sha256:%x\n", sha256.Sum256([]byte(token)))
	stdout, stderr, code := runCommand(t, token, "dyndns-token", "--token", "-", "--acme", "Home.dyn.example.com", "--url", "https://dyndns.example.com")
	const want = `{"home.dyn.example.com":{"fulldomain":"_acme-challenge.home.dyn.example.com","subdomain":"home.dyn.example.com","username":"dyndns","password":"` + token +
		`","server_url":"https://dyndns.example.com","allowfrom":[]}}`
	var got bytes.Buffer
	if err := json.Compact(&got, []byte(stdout)); err != nil || code != 0 || got.String() != want || stderr != digest {
		t.Errorf("exit code %d, %v, %s%s", code, err, stdout, stderr)
	}
	// A new token, and its digest.
	stdout, stderr, code = runCommand(t, "", "dyndns-token", "--acme", "home.dyn.example.com")
	var accounts map[string]struct{ Password string }
	if err := json.Unmarshal([]byte(stdout), &accounts); err != nil || code != 0 || stderr != fmt.Sprintf("sha256:%x\n", sha256.Sum256([]byte(accounts["home.dyn.example.com"].Password))) {
		t.Errorf("exit code %d, %v, %s%s", code, err, stdout, stderr)
	}
	for _, args := range [][]string{{"--acme", "-"}, {"--acme", "home.dyn.example.com", "--token", "short"}} {
		if stdout, _, code := runCommand(t, "", append([]string{"dyndns-token"}, args...)...); code != 1 || stdout != "" {
			t.Errorf("%q: exit code %d, %s", args, code, stdout)
		}
	}
}

func TestCommandImport(t *testing.T) {
	const yaml = "secret: 12345678\nnameserver: 127.0.0.1\ndyndns_domain: Dyndns.Example.com\nzones:\n" +
		"  - name: dyn.example.com.\n    tsig_key: MDEyMzQ1Njc4OWFiY2RlZg==\n  - name: dyn2.example.com\n    tsig_key: MDEyMzQ1Njc4OWFiY2RlZg==\n"
	rows := []struct {
		name, yaml, site string
		code             int
		stdout           []string
		stderr           string
	}{
		{"whole", yaml, "", 0, []string{
			"\ndyndns.example.com {", "\t\tsecret 12345678\n", "\t\tnameserver 127.0.0.1\n", "\t\tdomain dyndns.example.com\n",
			"\t\tzone dyn.example.com. MDEyMzQ1Njc4OWFiY2RlZg==\n", "\t\tzone dyn2.example.com MDEyMzQ1Njc4OWFiY2RlZg==\n", "\t\tformat dyndns\n",
		}, ""},
		{"port and another site", yaml + "port: 5353\nlog_level: debug\n", "http://localhost:8080", 0,
			[]string{"\nhttp://localhost:8080 {", "\t\tnameserver 127.0.0.1:5353\n"}, "log_level"},
		{"no domain", strings.Replace(yaml, "dyndns_domain: Dyndns.Example.com\n", "", 1), "", 0, []string{"\nlocalhost {"}, ""},
		{"short secret", strings.Replace(yaml, "12345678", "123", 1), "", 1, nil, "secret: it must have at least 8"},
		{"no zones", "secret: 12345678\nnameserver: 127.0.0.1\n", "", 1, nil, "zone: at least one is needed"},
		{"no YAML", "a: [", "", 1, nil, "seed.yml"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			path := writeFile(t, "seed.yml", row.yaml)
			stdout, stderr, code := runCommand(t, "", "dyndns-import", "--site", row.site, path)
			if code != row.code || !strings.Contains(stderr, row.stderr) {
				t.Errorf("exit code %d, %s", code, stderr)
			}
			for _, want := range row.stdout {
				if !strings.Contains(stdout, want) {
					t.Errorf("%q is missing from:\n%s", want, stdout)
				}
			}
			if row.code != 0 {
				return
			}
			if out, errs, code := runCommand(t, stdout, "adapt", "--config", "-", "--adapter", "caddyfile", "--validate"); code != 0 || strings.Contains(errs, "not formatted") {
				t.Errorf("it does not validate: %s%s", out, errs)
			}
		})
	}
	for _, args := range [][]string{nil, {"missing.yml"}, {"a", "b"}} {
		if _, stderr, code := runCommand(t, "", append([]string{"dyndns-import"}, args...)...); code != 1 || stderr == "" {
			t.Errorf("%v: exit code %d, %s", args, code, stderr)
		}
	}
}
