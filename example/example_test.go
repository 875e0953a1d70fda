package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
)

// emptyTemp makes a temporary folder for what the example writes, and fails the
// test if anything is left there.
func emptyTemp(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Setenv("XDG_DATA_HOME", dir) // set by the example, for good
	t.Cleanup(func() {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v (%v)", left, err)
		}
	})
}

func TestCheck(t *testing.T) {
	emptyTemp(t)
	var out bytes.Buffer
	if err := run(t.Context(), &out, 0, 0, true); err != nil {
		t.Fatal(err)
	}
	const want = `UPDATED: home.dyn.example.com. A None -> 192.0.2.1
UNCHANGED: home.dyn.example.com. AAAA None
DNS: home.dyn.example.com. A [192.0.2.1]
UNCHANGED: home.dyn.example.com. A 192.0.2.1
UNCHANGED: home.dyn.example.com. AAAA None
DNS: home.dyn.example.com. A [192.0.2.1]
UPDATED: home.dyn.example.com. A 192.0.2.1 -> None
UNCHANGED: home.dyn.example.com. AAAA None
DNS: home.dyn.example.com. A []
ok
`
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// interrupted ends the context when the lines to try are printed.
type interrupted struct {
	bytes.Buffer
	interrupt context.CancelFunc
}

func (w *interrupted) Write(p []byte) (int, error) {
	w.interrupt()
	return w.Buffer.Write(p)
}

func TestServeUntilInterrupted(t *testing.T) {
	emptyTemp(t)
	ctx, cancel := context.WithCancel(t.Context())
	out := &interrupted{interrupt: cancel}
	if err := run(ctx, out, 0, 0, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\n  curl --cacert " + os.Getenv("TMPDIR"), "\n  dig @127.0.0.1 ", "\nstopped\n"} {
		if got := out.String(); !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
}
