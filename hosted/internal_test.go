package hosted

import (
	"testing"
	"time"
)

func TestRateLimitText(t *testing.T) {
	for _, tt := range []struct {
		text    string
		limited bool
		wait    time.Duration
	}{
		{"HTTP 500", false, 0},
		{"record 4290 not found", false, 0},
		{"unexpected status code: 429", true, time.Minute},
		{"Too Many Requests", true, time.Minute},
		{"ThrottlingException: Rate exceeded", true, time.Minute},
		{"rate limit exceeded, retry after 30 seconds", true, 30 * time.Second},
		{"429: Retry-After: 7", true, 7 * time.Second},
		{"429: retry_after=1.5", true, 1500 * time.Millisecond},
		{"429: try again in 250ms", true, 250 * time.Millisecond},
		{"429: retry after 2h", true, 2 * time.Hour},
		{"429: retry after 3000000", true, 24 * time.Hour},
		{"429: retry after 99999999999999999999", true, 24 * time.Hour},
		{"429: try again in 99999999999h", true, 24 * time.Hour},
		{"429: retry after 30 milliseconds", true, 30 * time.Second},
	} {
		if wait, limited := rateLimit(tt.text); limited != tt.limited || wait != tt.wait {
			t.Errorf("%q: got %v, %t, want %v, %t", tt.text, wait, limited, tt.wait, tt.limited)
		}
	}
}

func TestAbsolute(t *testing.T) {
	for _, tt := range []struct {
		name, want string
	}{
		{"@", "example.com."},
		{"", "example.com."},
		{"home", "home.example.com."},
		{"Home.Dyn", "home.dyn.example.com."},
		{"home.example.com", "home.example.com."},
		{"home.example.com.", "home.example.com."},
		{"example.com", "example.com."},
		{"home.example.net", "home.example.net.example.com."},
		{"home.example.net.", ""},
		{"notexample.com.", ""},
		{"*", "*.example.com."},
		{`\052.home`, "*.home.example.com."},
		{"a..b", ""},
		{"spa ce", ""},
	} {
		if got, ok := absolute(tt.name, "example.com."); ok != (tt.want != "") || ok && got != tt.want {
			t.Errorf("%q: got %q, %t, want %q", tt.name, got, ok, tt.want)
		}
	}
}
