//go:build integration && linux

package clients

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// send writes a request as it stands and returns the reply's bytes but its date.
func (s *server) send(t *testing.T, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	var reply bytes.Buffer
	response, err := http.ReadResponse(bufio.NewReader(io.TeeReader(conn, &reply)), nil)
	if err != nil {
		t.Fatalf("%v in reply %q", err, &reply)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Fatal(err)
	}
	return dateHeader.ReplaceAllString(reply.String(), "")
}

var dateHeader = regexp.MustCompile(`Date: .*\r\n`)

// basic is the header that the routers' user name and a password make.
func basic(password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("router:"+password))
}

// crlf ends the lines of a request head as HTTP has it, and fills in BASIC and TOKEN.
func crlf(request, token string) string {
	head, body, _ := strings.Cut(request, "\n\n")
	request = strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + body
	return strings.NewReplacer("BASIC", basic(token), "TOKEN", token).Replace(request)
}

// reply is what the server writes, where nothing but the challenge depends on it.
func reply(proto string, status int, body string) string {
	challenge := ""
	if status == http.StatusUnauthorized {
		challenge = "Www-Authenticate: Basic realm=\"dyndns\"\r\n"
	}
	return fmt.Sprintf("%s %d %s\r\n"+
		"Cache-Control: no-store\r\n"+
		"Content-Length: %d\r\n"+
		"Content-Type: text/plain; charset=utf-8\r\n"+
		"Referrer-Policy: no-referrer\r\n"+
		"Server: Caddy\r\n"+
		"%s"+
		"X-Content-Type-Options: nosniff\r\n"+
		"\r\n"+
		"%s", proto, status, http.StatusText(status), len(body), challenge, body)
}
