//go:build integration && linux

package browser

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait for the browser. It is long: CI machines are slow.
const patience = time.Minute

// browser is a Chromium without a window. It speaks the DevTools protocol
// (https://chromedevtools.github.io/devtools-protocol/) on two pipes, as JSON
// messages that end with a NUL.
type browser struct {
	t  *testing.T
	to *os.File

	mu      sync.Mutex
	last    int
	replies map[int]chan message
	tabs    map[string]*tab // by session
}

type message struct {
	ID        int             `json:"id,omitempty"`
	Session   string          `json:"sessionId,omitempty"`
	Method    string          `json:"method,omitempty"`
	Params    json.RawMessage `json:"params,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Exception *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// object are the parameters of a command.
type object map[string]any

// startBrowser starts a browser that has never been used and trusts every certificate.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	theirs, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, theirsToo, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage",
		"--no-first-run", "--no-default-browser-check", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--ignore-certificate-errors", "--remote-debugging-pipe", "--user-data-dir="+t.TempDir())
	cmd.ExtraFiles = []*os.File{theirs, theirsToo} // descriptors 3 and 4
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting chromium (Debian package chromium): %v", err)
	}
	theirs.Close()
	theirsToo.Close()
	b := &browser{t: t, to: to, replies: make(map[int]chan message), tabs: make(map[string]*tab)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b.read(from)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		to.Close()
		from.Close()
		<-ended
	})
	return b
}

func (b *browser) read(from *os.File) {
	r := bufio.NewReader(from)
	for {
		text, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(text[:len(text)-1], &m) != nil {
			continue
		}
		b.mu.Lock()
		waiting, t := b.replies[m.ID], b.tabs[m.Session]
		delete(b.replies, m.ID)
		b.mu.Unlock()
		switch {
		case waiting != nil:
			waiting <- m
		case t != nil:
			t.event(m)
		}
	}
}

// send sends a command to a session and returns where its reply will come.
func (b *browser) send(session, method string, params object) chan message {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	reply := make(chan message, 1)
	b.replies[b.last] = reply
	text, err := json.Marshal(map[string]any{"id": b.last, "sessionId": session, "method": method, "params": params})
	if session == "" {
		text, err = json.Marshal(map[string]any{"id": b.last, "method": method, "params": params})
	}
	if err == nil {
		_, err = b.to.Write(append(text, 0))
	}
	if err != nil {
		reply <- message{Exception: &struct {
			Message string `json:"message"`
		}{err.Error()}}
	}
	return reply
}

// call sends a command and decodes its result.
func (b *browser) call(session, method string, params object, result any) {
	b.t.Helper()
	select {
	case m := <-b.send(session, method, params):
		if m.Exception != nil {
			b.t.Fatalf("%s: %s", method, m.Exception.Message)
		}
		if result != nil {
			if err := json.Unmarshal(m.Result, result); err != nil {
				b.t.Fatalf("%s: %v", method, err)
			}
		}
	case <-time.After(patience):
		b.t.Fatalf("%s: no reply", method)
	}
}

// tab is a page of the browser. Tabs share what the browser remembers, but for
// private ones.
type tab struct {
	*browser
	session string
	loaded  chan struct{}

	mu       sync.Mutex
	password string
	asked    int               // how often a server asked for the password
	requests map[string]*fetch // by the browser's number
	order    []*fetch
	trouble  []string
}

// fetch is a request that the browser made.
type fetch struct {
	url, method   string
	authorization bool // the browser sent a password
	status        int
}

func (b *browser) open() *tab {
	b.t.Helper()
	return b.attach(object{"url": "about:blank"})
}

func (b *browser) openPrivate() *tab {
	b.t.Helper()
	var private struct{ BrowserContextID string }
	b.call("", "Target.createBrowserContext", nil, &private)
	return b.attach(object{"url": "about:blank", "browserContextId": private.BrowserContextID})
}

func (b *browser) attach(page object) *tab {
	b.t.Helper()
	var target struct{ TargetID string }
	b.call("", "Target.createTarget", page, &target)
	var attached struct{ SessionID string }
	b.call("", "Target.attachToTarget", object{"targetId": target.TargetID, "flatten": true}, &attached)
	t := &tab{browser: b, session: attached.SessionID, loaded: make(chan struct{}, 100), requests: make(map[string]*fetch)}
	b.mu.Lock()
	b.tabs[t.session] = t
	b.mu.Unlock()
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		t.do(domain+".enable", nil, nil)
	}
	return t
}

func (t *tab) do(method string, params object, result any) {
	t.t.Helper()
	t.call(t.session, method, params, result)
}

// event takes note of what happened in the page.
func (t *tab) event(m message) {
	var e struct {
		RequestID string
		Request   struct{ URL, Method string }
		Response  struct{ Status int }
		Headers   map[string]string
		Entry     struct{ Level, Source, Text, URL string }
		Type      string
		Args      []struct{ Value any }

		ExceptionDetails struct{ Text string }
		StatusCode       int
	}
	if json.Unmarshal(m.Params, &e) != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch m.Method {
	case "Page.loadEventFired":
		t.loaded <- struct{}{}
	case "Fetch.requestPaused":
		t.send(t.session, "Fetch.continueRequest", object{"requestId": e.RequestID})
	case "Fetch.authRequired":
		t.asked++
		answer := object{"response": "CancelAuth"}
		if t.password != "" {
			answer = object{"response": "ProvideCredentials", "username": "any", "password": t.password}
		}
		t.send(t.session, "Fetch.continueWithAuth", object{"requestId": e.RequestID, "authChallengeResponse": answer})
	case "Network.requestWillBeSent":
		f := t.fetch(e.RequestID)
		f.url, f.method = e.Request.URL, e.Request.Method
	case "Network.requestWillBeSentExtraInfo":
		for name := range e.Headers {
			if strings.EqualFold(name, "Authorization") {
				t.fetch(e.RequestID).authorization = true
			}
		}
	case "Network.responseReceived":
		t.fetch(e.RequestID).status = e.Response.Status
	case "Network.responseReceivedExtraInfo":
		t.fetch(e.RequestID).status = e.StatusCode
	case "Log.entryAdded":
		t.trouble = append(t.trouble, fmt.Sprintf("%s %s: %s %s", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL))
	case "Runtime.consoleAPICalled":
		t.trouble = append(t.trouble, fmt.Sprintf("console %s: %v", e.Type, e.Args))
	case "Runtime.exceptionThrown":
		t.trouble = append(t.trouble, "exception: "+e.ExceptionDetails.Text)
	}
}

// fetch needs the lock.
func (t *tab) fetch(id string) *fetch {
	f := t.requests[id]
	if f == nil {
		f = new(fetch)
		t.requests[id] = f
		t.order = append(t.order, f)
	}
	return f
}

// answerPassword gives a password, or with none cancels, when a server asks.
func (t *tab) answerPassword(password string) {
	t.mu.Lock()
	t.password = password
	t.mu.Unlock()
	t.do("Fetch.enable", object{"handleAuthRequests": true}, nil)
}

// visit opens a URL and waits until everything has been loaded.
func (t *tab) visit(url string) {
	t.t.Helper()
	t.wait(func() { t.do("Page.navigate", object{"url": url}, nil) })
}

// wait does what leads to another page and waits for it.
func (t *tab) wait(leave func()) {
	t.t.Helper()
	for len(t.loaded) > 0 {
		<-t.loaded
	}
	// A click into a frame that has not been drawn yet goes nowhere.
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		leave()
		select {
		case <-t.loaded:
			return
		case <-time.After(patience / 6):
		}
	}
	t.t.Fatal("the page was not loaded")
}

// eval evaluates a JavaScript expression in the page, even where the page itself
// may run none.
func (t *tab) eval(expression string, result any) {
	t.t.Helper()
	var got struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct{ Text string }
	}
	t.do("Runtime.evaluate", object{"expression": expression, "returnByValue": true}, &got)
	if got.ExceptionDetails != nil {
		t.t.Fatalf("%s: %s", expression, got.ExceptionDetails.Text)
	}
	if err := json.Unmarshal(got.Result.Value, result); err != nil {
		t.t.Fatalf("%s: %v", expression, err)
	}
}

// takeTrouble returns what the browser complained about since the last call.
func (t *tab) takeTrouble() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	trouble := t.trouble
	t.trouble = nil
	return trouble
}
