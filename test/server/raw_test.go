package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

// rawSend sends bytes as they are and returns the reply; its status is 0 if the
// server closed the connection without one.
func rawSend(t *testing.T, s *caddytest.Server, request string) caddytest.Reply {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.HTTP, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	// The server may refuse before it has read everything.
	_, _ = io.WriteString(conn, request)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return caddytest.Reply{}
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return caddytest.Reply{Status: res.StatusCode, Header: res.Header, Body: string(body)}
}

// rawGet requests a path that net/http would not send as it is.
func rawGet(t *testing.T, s *caddytest.Server, path string) caddytest.Reply {
	t.Helper()
	return rawSend(t, s, "GET "+path+" HTTP/1.1\r\nHost: dyn.test\r\nConnection: close\r\n\r\n")
}

// Nothing that can be sent makes the server panic, change the zone or log a secret.
func TestOddRequests(t *testing.T) {
	s := startService(t, "throttle off")
	const secret = caddytest.CanarySecret
	// Caddy takes 16 KiB of request line and header, net/http 4 more.
	long := strings.Repeat("a", 64<<10)
	get := func(path string) string {
		return "GET " + path + " HTTP/1.1\r\nHost: dyn.test\r\nConnection: close\r\n\r\n"
	}
	header := func(lines string) string {
		return "GET /update-by-query?fqdn=home.dyn.test&ip_1=192.0.2.1 HTTP/1.1\r\nHost: dyn.test\r\nConnection: close\r\n" + lines + "\r\n\r\n"
	}
	post := func(contentType, body string) string {
		return fmt.Sprintf("POST /update-by-query HTTP/1.1\r\nHost: dyn.test\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", contentType, len(body), body)
	}
	const form = "application/x-www-form-urlencoded"
	tests := []struct {
		name, request string
		status        []int
	}{
		{"NUL in the name", get("/update-by-path/" + secret + "/home%00.dyn.test/192.0.2.1"), []int{400}},
		{"NUL in the address", get("/update-by-path/" + secret + "/home.dyn.test/192.0.2.1%00"), []int{400}},
		{"NUL in the secret", get("/update-by-path/" + secret + "%00/home.dyn.test/192.0.2.1"), []int{403}},
		{"NUL as it is", get("/update-by-path/" + secret + "/home\x00.dyn.test/192.0.2.1"), []int{400}},
		{"invalid UTF-8", get("/update-by-path/" + secret + "/%ff%fe.dyn.test/192.0.2.1"), []int{400}},
		{"invalid UTF-8 as it is", get("/update-by-path/" + secret + "/\xff\xfe.dyn.test/192.0.2.1"), []int{400}},
		{"invalid UTF-8 argument", get("/update-by-query?secret=" + secret + "&fqdn=home.dyn.test&%ff=%fe"), []int{400}},
		{"truncated percent", get("/update-by-path/" + secret + "/home.dyn.test/192.0.2.1%"), []int{400}},
		{"odd percent", get("/update-by-path/" + secret + "/home%zz.dyn.test/192.0.2.1"), []int{400}},
		{"odd percent in the query", get("/update-by-query?secret=" + secret + "&fqdn=home%zz.dyn.test&ip_1=192.0.2.1"), []int{400}},
		{"double percent", get("/update-by-path/" + secret + "/home.dyn%252etest/192.0.2.1"), []int{400}},
		{"slash in a segment", get("/update-by-path/" + secret + "/home.dyn.test%2f192.0.2.1"), []int{400}},
		{"dot segments", get("/update-by-path/" + secret + "/../../etc/passwd"), []int{400}},
		{"only dots", get("/update-by-path/../x"), []int{400, 403}},
		{"no segments", get("/update-by-path"), []int{401}},
		{"empty segments", get("/update-by-path//////"), []int{401}},
		{"CR and LF in the name", get("/update-by-path/" + secret + "/a%0d%0aSet-Cookie:x.dyn.test/192.0.2.1"), []int{400}},
		{"semicolons", get("/update-by-query?secret=" + secret + ";fqdn=home.dyn.test;ip_1=192.0.2.1"), []int{403}},
		{"many arguments", get("/update-by-query?secret=" + secret + strings.Repeat("&a=b", 4000)), []int{400}},
		{"only separators", get("/update-by-query?" + strings.Repeat("&", 5000)), []int{401}},
		{"long name", get("/update-by-path/" + secret + "/" + long[:8000] + ".dyn.test/192.0.2.1"), []int{400}},
		{"name to the limit", get("/update-by-path/" + secret + "/" + long[:19<<10] + "/192.0.2.1"), []int{400}},
		{"secret to the limit", get("/update-by-path/" + long[:19<<10] + "/home.dyn.test"), []int{403}},
		{"beyond the limit", get("/update-by-path/" + long), []int{431, 0}},
		{"asterisk form", "OPTIONS * HTTP/1.1\r\nHost: dyn.test\r\nConnection: close\r\n\r\n", []int{200, 400, 418}},
		{"absolute form", get("http://dyn.test/update-by-path/" + secret + "/_/192.0.2.1"), []int{400}},
		{"HTTP/1.0", "GET /update-by-path/" + secret + "/_ HTTP/1.0\r\n\r\n", []int{400}},

		{"Basic without colon", header("Authorization: Basic aGVsbG8="), []int{401}},
		{"Basic that is no base64", header("Authorization: Basic !!!"), []int{401}},
		{"Basic with NUL", header("Authorization: Basic AAA6AAA="), []int{401}},
		{"Basic with invalid UTF-8", header("Authorization: Basic //86/////w=="), []int{401}},
		{"Basic with an empty password", header("Authorization: Basic eDo="), []int{401}},
		{"another scheme", header("Authorization: Digest x"), []int{401}},
		{"empty header", header("Authorization:"), []int{401}},
		{"long Bearer", header("Authorization: Bearer " + long[:19<<10]), []int{403}},

		{"empty body", post(form, ""), []int{401}},
		{"no media type", post("", "secret="+secret), []int{400}},
		{"odd media type", post("application/x-www-form-urlencoded; x", "secret="+secret+"&fqdn=_"), []int{400}},
		{"multipart", post("multipart/form-data; boundary=x", "--x--"), []int{415}},
		{"JSON", post("application/json", "{}"), []int{415}},
		{"body of 64 KiB", post(form, "secret="+secret+"&fqdn="+long[:64<<10-len("secret=&fqdn=")-len(secret)]), []int{400}},
		{"body beyond 64 KiB", post(form, "secret="+secret+"&fqdn="+long[:64<<10]), []int{400}},
		{"an argument in query and body", strings.Replace(post(form, "secret="+secret+"&fqdn=home.dyn.test&ip_1=192.0.2.1"), "-query ", "-query?ip_1=192.0.2.1 ", 1), []int{400}},
		{"body cut short", "POST /update-by-query HTTP/1.1\r\nHost: dyn.test\r\nContent-Type: " + form + "\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", []int{400}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := rawSend(t, s.Server, tt.request)
			ok := false
			for _, status := range tt.status {
				ok = ok || got.Status == status
			}
			if !ok {
				t.Errorf("got %d %.200q, want %v", got.Status, got.Body, tt.status)
			}
			caddytest.CheckNoSecret(t, got.Body)
			if got.Header.Get("Set-Cookie") != "" || strings.ContainsAny(strings.TrimSuffix(got.Body, "\n"), "\r\n\x00") {
				t.Errorf("a request was echoed into %v %.200q", got.Header, got.Body)
			}
		})
	}
	if records := s.records(); len(records) > 0 {
		t.Errorf("the zone holds %q", records)
	}
	log := s.Log()
	caddytest.CheckNoSecret(t, log)
	if strings.Contains(log, "panic") {
		t.Errorf("there was a panic: %s", log)
	}
	// The server still works.
	if got := s.Get(s.HTTP + "/update-by-path/" + secret + "/home.dyn.test/192.0.2.1"); got.Status != http.StatusOK {
		t.Errorf("got %d %q", got.Status, got.Body)
	}
}

// A body that never arrives whole is given up, whatever it would have been.
func TestTricklingBody(t *testing.T) {
	s := startService(t, "timeout 1s\ndomain dyn.test")
	const (
		update = " /update-by-query HTTP/1.1\r\n"
		form   = "Content-Type: application/x-www-form-urlencoded\r\n"
	)
	tests := []struct {
		name, head string
		status     int
	}{
		{"form", "POST" + update + form, 400},
		{"body that nobody reads", "GET /update-by-path/" + caddytest.CanarySecret + "/home.dyn.test/192.0.2.1 HTTP/1.1\r\n", 200},
		{"PUT", "PUT" + update, 405},
		{"DELETE", "DELETE" + update, 405},
		{"OPTIONS", "OPTIONS" + update, 405},
		{"method of nobody", "X" + update, 405},
		{"form of another site", "POST" + update + form + "Sec-Fetch-Site: cross-site\r\n", 403},
		{"another media type", "POST" + update + "Content-Type: text/plain\r\n", 415},
		{"no media type", "POST" + update, 400},
		{"dyndns2", "PUT /nic/update HTTP/1.1\r\n", 405},
		{"DuckDNS", "PUT /update?domains=home HTTP/1.1\r\n", 405},
		{"page", "POST / HTTP/1.1\r\n" + form, 405},
		{"page that is read", "GET /ip HTTP/1.1\r\n", 200},
	}
	for _, tt := range tests {
		for _, body := range []string{"Content-Length: 60000\r\n\r\nsecret=", "Transfer-Encoding: chunked\r\n\r\n4\r\nse"} {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel() // each waits for the time limit
				if got := rawSend(t, s.Server, tt.head+"Host: dyn.test\r\n"+body); got.Status != tt.status {
					t.Errorf("got %d %q", got.Status, got.Body)
				}
			})
		}
	}
}
