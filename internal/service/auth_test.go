package service

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-dyndns/dyndns/clients"
)

var (
	here = netip.MustParseAddr("192.0.2.10")
	noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
)

func TestAuthenticate(t *testing.T) {
	const wrong = "wrong-0123456789abcdef"
	tests := []struct {
		name       string
		credential Credential
		client     string
		reason     Reason
		inURL      bool
		counts     bool
	}{
		{name: "none", reason: NoCredential},
		{name: "the secret", credential: Credential{Secrets: []string{"12345678"}}, client: "secret"},
		{name: "a token", credential: Credential{Secrets: []string{token("exact")}}, client: "exact"},
		{name: "the other token during a rotation", credential: Credential{Secrets: []string{token("exact-old")}}, client: "exact"},
		{name: "the same twice", credential: Credential{Secrets: []string{token("exact"), token("exact")}}, client: "exact"},
		{name: "two of one client", credential: Credential{Secrets: []string{token("exact"), token("exact-old")}}, client: "exact"},
		{name: "wrong", credential: Credential{Secrets: []string{wrong}}, reason: BadCredential, counts: true},
		{name: "wrong in the URL", credential: Credential{Secrets: []string{wrong}, InURL: true}, reason: BadCredential, inURL: true, counts: true},
		{name: "empty", credential: Credential{Secrets: []string{""}}, reason: BadCredential, counts: true},
		{name: "part of a token", credential: Credential{Secrets: []string{token("exact")[:20]}}, reason: BadCredential, counts: true},
		{name: "another case", credential: Credential{Secrets: []string{strings.ToUpper(token("exact"))}}, reason: BadCredential, counts: true},
		{name: "right, then wrong", credential: Credential{Secrets: []string{token("exact"), wrong}}, reason: BadCredential, counts: true},
		{name: "wrong, then right", credential: Credential{Secrets: []string{wrong, token("exact")}}, reason: BadCredential, counts: true},
		{name: "of two clients", credential: Credential{Secrets: []string{token("exact"), token("below")}}, reason: BadCredential, counts: true},
		{name: "of two clients and again", credential: Credential{Secrets: []string{token("exact"), token("below"), token("exact")}}, reason: BadCredential, counts: true},
		{name: "malformed", credential: Credential{Malformed: true}, reason: BadCredential, counts: true},
		{name: "malformed beside a right one", credential: Credential{Malformed: true, Secrets: []string{token("exact")}}, reason: BadCredential, counts: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.Limit.Burst = 1
			client, err := f.Authenticate(t.Context(), tt.credential, here, noon)
			switch {
			case reason(err) != tt.reason:
				t.Fatalf("got %v, want reason %q", err, tt.reason)
			case err == nil && client.Name != tt.client:
				t.Errorf("got client %s, want %s", client.Name, tt.client)
			case err != nil && client != nil:
				t.Errorf("an error comes with client %s", client.Name)
			case err != nil && err.InURL != tt.inURL:
				t.Errorf("InURL is %t", err.InURL)
			}
			for _, secret := range tt.credential.Secrets {
				if err != nil && secret != "" && strings.Contains(err.Message, secret) {
					t.Errorf("%q tells the secret", err.Message)
				}
			}
			if _, blocked := f.Throttle.Blocked(here, f.Limit, noon); blocked != tt.counts {
				t.Errorf("counted as a failure: %t, want %t", blocked, tt.counts)
			}
		})
	}
}

// failingSource is a database of clients that is down.
type failingSource struct{}

func (failingSource) FindClient(context.Context, clients.Digest) (*clients.Client, error) {
	return nil, errors.New("connection refused by db.internal")
}

// A source that fails tells nothing of the credential: it is not counted, and what
// the sources before it know still holds.
func TestSourceFails(t *testing.T) {
	f := newFixture(t)
	f.Limit.Burst = 1
	f.Clients = clients.Sources{f.Clients, failingSource{}}
	if client, err := f.Authenticate(t.Context(), Credential{Secrets: []string{token("exact")}}, here, noon); err != nil || client.Name != "exact" {
		t.Errorf("a client of the first source: got %v, %v", client, err)
	}
	for range 2 {
		client, err := f.Authenticate(t.Context(), Credential{Secrets: []string{token("unknown")}}, here, noon)
		if client != nil || reason(err) != ClientsFailed || err.RetryAfter <= 0 || strings.Contains(err.Message, "db.internal") {
			t.Errorf("got %v, %v", client, err)
		}
	}
	// Who guesses the secret is slowed down all the same.
	for _, want := range []Reason{BadCredential, Throttled} {
		if _, err := f.Authenticate(t.Context(), Credential{Secrets: []string{"guess123"}}, here, noon); reason(err) != want {
			t.Errorf("a guess: got %v, want %s", err, want)
		}
	}
}

func TestAuthenticateThrottled(t *testing.T) {
	f := newFixture(t)
	right := Credential{Secrets: []string{token("exact")}}
	for i := range f.Limit.Burst {
		if _, err := f.Authenticate(t.Context(), Credential{Secrets: []string{"wrong"}}, here, noon); reason(err) != BadCredential {
			t.Fatalf("failure %d: %v", i, err)
		}
	}
	tests := []struct {
		name       string
		from       netip.Addr
		credential Credential
		after      time.Duration
		want       Reason
	}{
		{name: "wrong again", from: here, credential: Credential{Secrets: []string{"wrong"}}, want: Throttled},
		{name: "right from the same network", from: here, credential: right, want: Throttled},
		{name: "none from the same network", from: here, want: NoCredential},
		{name: "right from another network", from: netip.MustParseAddr("192.0.2.11"), credential: right},
		{name: "right from IPv6", from: netip.MustParseAddr("2001:db8::1"), credential: right},
		{name: "right from an unknown address", credential: right},
		{name: "right after the interval", from: here, credential: right, after: 11 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := f.Authenticate(t.Context(), tt.credential, tt.from, noon.Add(tt.after))
			if reason(err) != tt.want {
				t.Fatalf("got %v, want reason %q", err, tt.want)
			}
			if err != nil && (err.RetryAfter > 0) != (tt.want == Throttled) {
				t.Errorf("retry after %v", err.RetryAfter)
			}
		})
	}
}

func TestAuthenticateThrottleOff(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.Limit.Burst = 0 })
	for range 1000 {
		if _, err := f.Authenticate(t.Context(), Credential{Secrets: []string{"wrong"}}, here, noon); reason(err) != BadCredential {
			t.Fatal(err)
		}
	}
}

// One wrong router does not lock out those behind the same address that were right before.
func TestKnownPassWhileBlocked(t *testing.T) {
	f := newFixture(t)
	other := netip.MustParseAddr("192.0.2.11")
	present := func(from netip.Addr, secrets ...string) Reason {
		_, err := f.Authenticate(t.Context(), Credential{Secrets: secrets}, from, noon)
		return reason(err)
	}
	for _, secret := range []string{token("exact"), "12345678"} {
		if got := present(here, secret); got != "" {
			t.Fatal(got)
		}
	}
	present(other, token("below"))
	for range f.Limit.Burst {
		present(here, "wrong")
	}
	for _, tt := range []struct {
		name    string
		secrets []string
		want    Reason
	}{
		{"a client that was right from here", []string{token("exact")}, ""},
		{"the same client with its other token", []string{token("exact-old")}, Throttled},
		{"both", []string{token("exact"), token("exact-old")}, Throttled},
		{"beside a wrong one", []string{token("exact"), "wrong"}, Throttled},
		{"a client that was right elsewhere", []string{token("below")}, Throttled},
		{"the secret", []string{"12345678"}, Throttled},
		{"a wrong one", []string{"wrong"}, Throttled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := present(here, tt.secrets...); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if _, err := f.Authenticate(t.Context(), Credential{Secrets: []string{token("exact")}, Malformed: true}, here, noon); reason(err) != Throttled {
		t.Errorf("beside a malformed one: got %v", err)
	}
}

// funcSource is a source of clients that is one function.
type funcSource func(context.Context) (*clients.Client, error)

func (f funcSource) FindClient(ctx context.Context, _ clients.Digest) (*clients.Client, error) {
	return f(ctx)
}

// A source has the time of a request for all of its tokens together.
func TestSourceHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.Clients = funcSource(func(ctx context.Context) (*clients.Client, error) {
			select {
			case <-ctx.Done():
			case <-time.After(f.Timeout * 2 / 3):
			}
			return new(clients.Client), ctx.Err()
		})
		for _, tt := range []struct {
			secrets []string
			want    Reason
		}{
			{[]string{token("a")}, ""},
			{[]string{token("a"), token("b")}, ClientsFailed},
		} {
			if _, err := f.Authenticate(t.Context(), Credential{Secrets: tt.secrets}, here, noon); reason(err) != tt.want {
				t.Errorf("%d tokens: got %v, want reason %q", len(tt.secrets), err, tt.want)
			}
		}
	})
}

// A source may make a new client for every call.
func TestSourceOfCopies(t *testing.T) {
	f := newFixture(t)
	f.Clients = copyingSource{f.Clients}
	for _, tt := range []struct {
		name    string
		secrets []string
		want    Reason
	}{
		{"two of one client", []string{token("exact"), token("exact-old")}, ""},
		{"of two clients", []string{token("exact"), token("below")}, BadCredential},
		{"right, then wrong", []string{token("exact"), "wrong"}, BadCredential},
		{"wrong, then right", []string{"wrong", token("exact")}, BadCredential},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client, err := f.Authenticate(t.Context(), Credential{Secrets: tt.secrets}, here, noon)
			if reason(err) != tt.want || err == nil && client.Name != "exact" {
				t.Errorf("got %v, %v, want reason %q", client, err, tt.want)
			}
		})
	}
}

// copyingSource makes a new client for every call.
type copyingSource struct{ clients.Source }

func (s copyingSource) FindClient(ctx context.Context, digest clients.Digest) (*clients.Client, error) {
	found, err := s.Source.FindClient(ctx, digest)
	if found == nil {
		return nil, err
	}
	client := *found
	return &client, err
}

// A panic in a source is a failure of it and a line in the log.
func TestSourcePanics(t *testing.T) {
	var warnings []string
	f := newFixture(t, func(c *Config) {
		c.Warn = func(message, zone string, err error) {
			warnings = append(warnings, message+zone)
			if !strings.Contains(err.Error(), "goroutine") {
				t.Errorf("%v tells no stack", err)
			}
		}
	})
	f.Limit.Burst = 1
	f.Clients = funcSource(func(context.Context) (*clients.Client, error) { panic("find") })
	for range 2 {
		if client, err := f.Authenticate(t.Context(), Credential{Secrets: []string{token("a")}}, here, noon); client != nil || reason(err) != ClientsFailed {
			t.Errorf("got %v, %v", client, err)
		}
	}
	if want := "internal error in what finds clients"; !slices.Equal(warnings, []string{want, want}) {
		t.Errorf("the log has %q", warnings)
	}
}
