//go:build integration

package server

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
	"github.com/caddy-dyndns/dyndns/test/markdown"
)

const customersPage = "docs/customers.md"

// The commands of the page about customers do, one after the other, what the page says.
func TestDocumentedCustomerCommands(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Fatal(err)
	}
	s := caddytest.Serve(t, adminOn, "http://:{$HTTP_PORT} {\ndyndns {\nclients storage\nzone dyn.example.com {\nmemory 60\n}\n}\n}\n")
	work := t.TempDir()
	run := newShell(t, s, work, map[string]string{"curl": fmt.Sprintf("exec '%s' -sS \"$@\"\n", curl)}, strings.NewReplacer(
		"unix//run/caddy/admin.sock", strings.TrimPrefix(s.Admin, "http://"), "https://dyndns.example.com", s.HTTP, "/var/log/caddy/dyndns.log", filepath.Join(s.Dir, "log")))
	token := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(work, name))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}
	scripts := markdown.Code(t, "../..", customersPage, "sh")
	for i, want := range []func(out string) string{
		func(out string) string {
			if n := strings.Count(out, "enabled"); n != 50 || !strings.Contains(out, "lan    nas.bob.dyn.example.com ::211:32ff:fe12:3456") || !strings.Contains(out, "limit  60 changes within 1h") {
				return fmt.Sprintf("there are %d customers", n)
			}
			return ""
		},
		func(out string) string {
			if out != "good 192.0.2.7" {
				return "the update failed"
			}
			return ""
		},
		func(out string) string {
			for name, want := range map[string]string{"bob": "good 192.0.2.9", "customer3": "nohost", "customer6": "good 192.0.2.9"} {
				if got := update(s, name+".dyn.example.com", "192.0.2.9", token(name+".token")); got != want {
					return name + ": " + got
				}
			}
			if n := strings.Count(out, `"digest"`); n != 3 {
				return fmt.Sprintf("ada has %d tokens", n)
			}
			return ""
		},
		func(out string) string {
			if out != "customer4.dyn.example.com. left behind: what stands there is nobody's\ncustomer5.dyn.example.com. records removed\n" {
				return "the names are not said"
			}
			return ""
		},
		func(out string) string {
			if strings.Count(out, "\n") != 1 {
				return "new customers are unused"
			}
			return ""
		},
		func(out string) string {
			if !strings.HasSuffix(out, "\n1 created, 0 replaced, 47 unchanged, 0 failed\ngood 192.0.2.8") {
				return "not restored"
			}
			return ""
		},
		func(out string) string {
			if n := strings.Count(out, "\n"); n != 5 || !strings.Contains(out, `"result":"updated"`) {
				return "the entries are not found"
			}
			return ""
		},
	} {
		out := run(scripts[i])
		if failure := want(out); failure != "" {
			t.Errorf("%s, after\n%s\n%s", failure, scripts[i], out)
		}
	}
	if n := len(scripts); n != 7 {
		t.Errorf("%d blocks are not run", n-7)
	}
}

// The portal of the page answers what the source asks.
func TestDocumentedPortal(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal(err)
	}
	work, port := t.TempDir(), caddytest.ReservePort(t)
	documented := markdown.Code(t, "../..", customersPage, "python")[0]
	program := strings.Replace(documented, "8053", port.Number(), 1)
	if program == documented {
		t.Fatal("the portal listens elsewhere")
	}
	if n := strings.Count(program, "\n"); n > 35 {
		t.Errorf("it has %d lines", n)
	}
	cmd := exec.Command(python, "-c", program)
	cmd.Dir = work
	cmd.Env = append(os.Environ(), "PORTAL_TOKEN=portal")
	caddytest.Start(t, cmd)
	await.Done(t, "the portal", func() error {
		res, err := http.Get("http://127.0.0.1:" + port.Number())
		if err == nil {
			res.Body.Close()
		}
		return err
	})
	sum := sha256.Sum256([]byte("token-of-a-customer"))
	insert := exec.Command(python, "-c", `
import sqlite3
with sqlite3.connect("customers.db") as db:
    db.execute("INSERT INTO customer (name, host, digest) VALUES ('ada', 'ada.mem.test', '`+hex.EncodeToString(sum[:])+`')")`)
	insert.Dir = work
	if out, err := insert.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Setenv("PORTAL_TOKEN", "portal")
	s := caddytest.Serve(t, "", customerSite("http http://127.0.0.1:"+port.Number()+"/client {\nheader Authorization \"Bearer {env.PORTAL_TOKEN}\"\n}"))
	for token, want := range map[string]string{"token-of-a-customer": "good 192.0.2.1", "token-of-nobody-at-all": "badauth"} {
		if got := update(s, "ada.mem.test", "192.0.2.1", token); got != want {
			t.Errorf("%s: %s, want %s", token, got, want)
		}
	}
}
