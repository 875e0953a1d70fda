//go:build integration && linux

package clients

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// recorder passes the connections of a client on and keeps what goes over them.
type recorder struct {
	net.Listener
	target        string
	conversations []*conversation
	running       sync.WaitGroup
}

// conversation is what one connection carried.
type conversation struct{ sent, received bytes.Buffer }

// noPassword marks a request without credentials.
const noPassword = "(no password)"

// exchange is a request and its reply as a reader of the matrix wants to see them.
type exchange struct{ request, reply string }

// record starts a recorder in front of the server at a URL.
func record(t *testing.T, url string) *recorder {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{Listener: listener, target: strings.TrimPrefix(url, "http://")}
	r.running.Go(r.accept)
	t.Cleanup(func() { listener.Close() })
	return r
}

func (r *recorder) url() string { return "http://" + r.Addr().String() }

func (r *recorder) accept() {
	for {
		conn, err := r.Accept()
		if err != nil {
			return
		}
		c := new(conversation)
		r.conversations = append(r.conversations, c)
		r.running.Go(func() { r.pass(conn.(*net.TCPConn), c) })
	}
}

func (r *recorder) pass(client *net.TCPConn, c *conversation) {
	defer client.Close()
	conn, err := net.Dial("tcp", r.target)
	if err != nil {
		return
	}
	defer conn.Close()
	server := conn.(*net.TCPConn)
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(server, io.TeeReader(client, &c.sent))
		_ = server.CloseWrite()
	})
	both.Go(func() {
		_, _ = io.Copy(client, io.TeeReader(server, &c.received))
		_ = client.CloseWrite()
	})
	both.Wait()
}

// exchanges ends the recording after the client has ended.
func (r *recorder) exchanges(t *testing.T) []exchange {
	t.Helper()
	r.Close()
	r.running.Wait()
	var all []exchange
	for _, c := range r.conversations {
		sent, received := bufio.NewReader(&c.sent), bufio.NewReader(&c.received)
		for {
			request, err := http.ReadRequest(sent)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			response, err := http.ReadResponse(received, request)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			line := request.Method + " " + request.RequestURI + " " + request.Proto
			if request.Header.Get("Authorization") == "" {
				line += " " + noPassword
			}
			all = append(all, exchange{line, strconv.Itoa(response.StatusCode) + " " + string(body)})
		}
	}
	return all
}
