//go:build integration && linux

package clients

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// client is a program that updates names.
type client struct {
	name string
	// version is the command that tells it and the text before it.
	version []string
	// http and https tell what it speaks.
	http, https bool
	run         func(t *testing.T, a ask) result
	// outcomes are what it makes of the replies in the scenarios.
	outcomes []outcome
}

// ask is what a client shall do.
type ask struct {
	// url is the server's, without a path; ca is a file with its authority.
	url, ca  string
	password string
	host     string
	address  string
}

// server is host and port.
func (a ask) server() string { return a.url[strings.Index(a.url, "//")+2:] }

func (a ask) secure() bool { return strings.HasPrefix(a.url, "https:") }

// withLogin puts the credentials into the URL.
func (a ask) withLogin() string {
	return strings.Replace(a.url, "//", "//home-router:"+a.password+"@", 1)
}

func (a ask) path() string { return "/nic/update?hostname=" + a.host + "&myip=" + a.address }

// result is what became of a run.
type result struct {
	exit   int // -1 if the client went on and was ended
	output string
}

// outcome is what a client is expected to conclude: how it ends, and what it
// prints among other things.
type outcome struct {
	exit int
	text string
}

func (o outcome) check(t *testing.T, got result) {
	t.Helper()
	if got.exit != o.exit || !strings.Contains(got.output, o.text) {
		t.Errorf("exit %d, want %d with %q; it printed:\n%s", got.exit, o.exit, o.text, got.output)
	}
}

// run runs a program until it ends or a text appears that it would wait after.
func run(t *testing.T, until, program string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "http_proxy=", "https_proxy=", "HOME="+t.TempDir())
	// A shell that is ended leaves its program with our pipe.
	cmd.WaitDelay = time.Second
	var output strings.Builder
	cmd.Stdout = &watch{&output, until, cancel}
	cmd.Stderr = cmd.Stdout
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), output.String()}
}

// watch ends a program that printed a text.
type watch struct {
	output *strings.Builder
	until  string
	end    context.CancelFunc
}

func (w *watch) Write(b []byte) (int, error) {
	w.output.Write(b)
	if w.until != "" && strings.Contains(w.output.String(), w.until) {
		w.end()
	}
	return len(b), nil
}

// write makes a configuration that nobody else may read: ddclient insists on it.
func write(t *testing.T, name string, lines ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// ddclient runs with a configuration file and an empty cache. After what it
// prints comes the status that it keeps in the cache: of some failures it says
// nothing.
func ddclient(t *testing.T, lines ...string) result {
	t.Helper()
	file := write(t, "ddclient.conf", lines...)
	r := run(t, "", "ddclient", "-daemon=0", "-foreground", "-noquiet", "-file", file, "-cache", file+".cache")
	cache, err := os.ReadFile(file + ".cache")
	if err != nil {
		t.Fatalf("%v; ddclient printed:\n%s", err, r.output)
	}
	r.output += strings.Join(cachedStatus.FindAllString(string(cache), -1), "\n")
	return r
}

var cachedStatus = regexp.MustCompile(`\bstatus=\w+`)

func runDdclient(t *testing.T, a ask) result {
	lines := []string{
		"syslog=no", "use=cmd, cmd='echo " + a.address + "'",
		"protocol=dyndns2", "server=" + a.server(), "login=home-router", "password='" + a.password + "'", a.host,
	}
	if a.secure() {
		lines = append([]string{"ssl=yes", "ssl_ca_file=" + a.ca}, lines...)
	}
	return ddclient(t, lines...)
}

// inadyn runs with a configuration file once. It waits for ten minutes after what
// it holds for temporary.
func inadyn(t *testing.T, lines ...string) result {
	t.Helper()
	file := write(t, "inadyn.conf", lines...)
	return run(t, "Will retry again", "inadyn", "-n", "-1", "--force", "-f", file, "--cache-dir="+filepath.Dir(file), "-l", "info", "--no-pidfile")
}

func runInadyn(t *testing.T, a ask) result {
	top, ssl := "period = 60", "ssl = false"
	if a.secure() {
		top, ssl = "ca-trust-file = "+a.ca, ""
	}
	return inadyn(t, top, "allow-ipv6 = true", "custom dyn {", ssl,
		"username = home-router", "password = "+a.password,
		`checkip-command = "/bin/echo `+a.address+`"`,
		"ddns-server = "+a.server(), `ddns-path = "/nic/update?hostname=%h&myip=%i"`,
		"hostname = "+a.host, "}")
}

func runWget(t *testing.T, a ask) result {
	args := []string{"-nv", "-t1", "-O-", a.withLogin() + a.path()}
	if a.secure() {
		args = append(args, "--ca-certificate="+a.ca)
	}
	return run(t, "", "wget", args...)
}

func runBusybox(t *testing.T, a ask) result {
	return run(t, "", "busybox", "wget", "-O-", a.withLogin()+a.path())
}

// runCurl shows the requests and the replies as well.
func runCurl(version ...string) func(t *testing.T, a ask) result {
	return func(t *testing.T, a ask) result {
		args := append([]string{"-fsSv", "-u", "home-router:" + a.password, a.url + a.path()}, version...)
		if a.secure() {
			args = append(args, "--cacert", a.ca)
		}
		return run(t, "", "curl", args...)
	}
}

var number = regexp.MustCompile(`\d+(\.\d+)+`)

// versionOf is the first number with dots that the client tells.
func (c client) versionOf(t *testing.T) string {
	t.Helper()
	return number.FindString(run(t, "", c.version[0], c.version[1:]...).output)
}
