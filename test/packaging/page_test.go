//go:build integration && linux

package packaging

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/test/markdown"
)

// blocks returns the code blocks of docs/install.md by the headings of their sections.
func blocks(t *testing.T) map[string][]markdown.Block {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "docs", "install.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string][]markdown.Block)
	for _, section := range regexp.MustCompile(`(?m)^#+ `).Split(string(text), -1)[1:] {
		title, _, _ := strings.Cut(section, "\n")
		found[title] = markdown.Blocks("docs/install.md", section)
	}
	return found
}

// section returns the code blocks of a section of docs/install.md, as many as the test
// knows of.
func section(t *testing.T, title string, number int) []markdown.Block {
	t.Helper()
	found := blocks(t)[title]
	if len(found) != number {
		t.Fatalf("%q has %d code blocks, want %d", title, len(found), number)
	}
	return found
}

// Every section with code is one that a test follows.
func TestSections(t *testing.T) {
	followed := []string{"Install", "A program", "A Debian package", "Upgrades without a loss", "A container", "Compose"}
	for title, found := range blocks(t) {
		if len(found) > 0 && !slices.Contains(followed, title) {
			t.Errorf("no test follows %q", title)
		}
	}
}

// shell runs the lines in the folder of the release and returns what they print.
func shell(t *testing.T, lines string) string {
	t.Helper()
	out, err := command(t, lines)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// command is shell with its error.
func command(t *testing.T, lines string) (string, error) {
	t.Helper()
	var out, errs bytes.Buffer
	c := exec.Command("bash", "-ec", strings.ReplaceAll(lines, "amd64", architecture()))
	c.Dir, c.Stdout, c.Stderr = release(t), &out, &errs
	err := c.Run()
	if err != nil {
		err = fmt.Errorf("%s\n%w\n%s%s", lines, err, out.String(), errs.String())
	}
	return out.String(), err
}

// expect runs the lines and compares what they print.
func expect(t *testing.T, lines, want string) {
	t.Helper()
	if got := shell(t, lines); strings.TrimSpace(got) != want {
		t.Errorf("%s\n got %q\nwant %q", lines, got, want)
	}
}

// write writes a file.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// ownAuthority are options of Caddy where no public authority certifies the machine.
const ownAuthority = "local_certs\nskip_install_trust"

// options puts lines into the global options of a Caddyfile.
func options(t *testing.T, path, lines string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, after, ok := strings.Cut(string(text), "{\n")
	if !ok {
		t.Fatalf("%s has no options", path)
	}
	write(t, path, before+"{\n"+lines+"\n"+after)
}
