package server

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/clients/manage"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

// command runs caddy dyndns-client against the server.
func command(t *testing.T, s *caddytest.Server, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := caddytest.Command(append([]string{"dyndns-client"}, args...)...)
	cmd.Env = append(cmd.Env, "CADDY_ADMIN="+strings.TrimPrefix(s.Admin, "http://"))
	cmd.Stdin = strings.NewReader(stdin)
	var out, err strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &err
	_ = cmd.Run()
	return out.String(), err.String(), cmd.ProcessState.ExitCode()
}

func TestCustomerCommands(t *testing.T) {
	s := caddytest.Serve(t, adminOn, customerSite("storage"))
	add := []string{"add", "ada", "--host", "ada.mem.test", "--lan", "nas.mem.test=::1", "--from", "127.0.0.0/8", "--limit", "10/1h", "--note", "a\tb"}
	for _, tt := range []struct {
		name           string
		args           []string
		code           int
		stdout, stderr string
	}{
		{"nothing", nil, 0, "Available Commands:", ""},
		{"list of nobody", []string{"list"}, 0, "NAME", ""},
		{"add", append(add, "--expires-in", "90d"), 0, "", "It is not shown again."},
		{"add again", add, 1, "", "exists already"},
		{"replace", append(add, "--replace", "--disabled", "--no-certificates"), 0, "disabled      yes\ncertificates  none\n", ""},
		{"without token", []string{"add", "bob", "--host", "bob.mem.test", "--no-token"}, 0, "name  bob\nhost  bob.mem.test\n", ""},
		{"without host", []string{"add", "eve"}, 1, "", "hosts: none is given"},
		{"host of another", []string{"add", "eve", "--host", "ada.mem.test"}, 1, "", "409"},
		{"host of another, asked for", []string{"add", "eve", "--host", "ada.mem.test", "--shared", "--json"}, 0, `"token": "`, ""},
		{"no interface identifier", []string{"add", "max", "--host", "max.mem.test", "--lan", "nas.mem.test"}, 1, "", "--lan"},
		{"no limit", []string{"add", "max", "--host", "max.mem.test", "--limit", "10"}, 1, "", "--limit"},
		{"show", []string{"show", "ada"}, 0, "limit         10 changes within 1h\n", ""},
		{"show as JSON", []string{"show", "ada", "--json"}, 0, `"disabled": true`, ""},
		{"show nobody", []string{"show", "nobody"}, 1, "", "not found: client nobody"},
		{"list", []string{"list"}, 0, "disabled  a b\n", ""},
		{"list as JSON lines", []string{"list", "--json"}, 0, `{"name":"bob","hosts":["bob.mem.test"]}` + "\n", ""},
		{"rotate", []string{"rotate", "ada", "--old-expire-in", "0s"}, 0, "", "Any older token is invalid from "},
		{"first token of the owner", []string{"rotate", "ada", "--owner"}, 0, "", "Any older token of the owner is invalid from "},
		{"rotate for a while", []string{"rotate", "ada", "--old-expire-in", "later"}, 1, "", "others_expire_in: later is not a duration"},
		{"revoke what is not there", []string{"revoke", "ada", "0123456789ab"}, 1, "", "has no token of this id"},
		{"revoke all", []string{"revoke", "ada", "all"}, 0, "", "2 tokens of ada are invalid"},
		{"rotate after all", []string{"rotate", "ada"}, 0, "", ""},
		{"revoke the only one", []string{"revoke", "ada", "all"}, 0, "", "1 token of ada is invalid here;"},
		{"remove", []string{"remove", "ada", "--json"}, 0, `"nas.mem.test."`, ""},
		{"remove again", []string{"remove", "ada"}, 1, "", "not found"},
		{"import of nothing", []string{"import", "/dev/null"}, 0, "0 created, 0 replaced, 0 unchanged, 0 failed\n", ""},
		{"import of no file", []string{"import", "/nonexistent"}, 1, "", "no such file"},
		{"another namespace", []string{"list", "--namespace", "other"}, 1, "", `in the namespace`},
		{"no Caddy", []string{"list", "--address", caddytest.ReservePort(t).Addr()}, 1, "", "connection refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stdout, stderr, code := command(t, s, "", tt.args...)
			if code != tt.code || !strings.Contains(stdout, tt.stdout) || !strings.Contains(stderr, tt.stderr) {
				t.Errorf("exit code %d\n%s\n%s", code, stdout, stderr)
			}
		})
	}
}

// The lines of an import are counted over all of its requests.
func TestCustomerCommandImport(t *testing.T) {
	s := caddytest.Serve(t, adminOn, customerSite("storage"))
	var lines strings.Builder
	for n := range 1200 {
		switch {
		case n%300 == 7:
			lines.WriteString("\n")
		case n == 499 || n == 500 || n == 1111:
			lines.WriteString("nonsense\n")
		default:
			fmt.Fprintf(&lines, `{"name":"c%d","hosts":["c%[1]d.mem.test"],"tokens":[%q]}`+"\n", n, clients.DigestOf(fmt.Sprintf("token-of-customer-%d", n)))
		}
	}
	text := strings.TrimSuffix(lines.String(), "\n")
	stdout, stderr, code := command(t, s, text, "import", "-")
	if code != 1 || stdout != "1193 created, 0 replaced, 0 unchanged, 3 failed\n" {
		t.Errorf("exit code %d\n%s\n%s", code, stdout, stderr)
	}
	for _, line := range []string{"line 500: ", "line 501: ", "line 1112: "} {
		if !strings.Contains(stderr, line) {
			t.Errorf("%s is not said in\n%s", line, stderr)
		}
	}
	stdout, _, code = command(t, s, text, "import", "-", "--json")
	var again manage.Imported
	if err := json.Unmarshal([]byte(stdout), &again); err != nil || code != 1 || again.Unchanged != 1193 || len(again.Errors) != 3 || again.Errors[2].Line != 1112 {
		t.Errorf("again: exit code %d, %v\n%s", code, err, stdout)
	}
	if got := update(s, "c1199.mem.test", "192.0.2.1", "token-of-customer-1199"); got != "good 192.0.2.1" {
		t.Errorf("the last customer: %s", got)
	}
	exported, _, _ := command(t, s, "", "export")
	if n := strings.Count(exported, "\n"); n != 1193 {
		t.Errorf("exported %d", n)
	}
}
