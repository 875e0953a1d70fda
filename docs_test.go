package dyndns

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-dyndns/dyndns/internal/service"
)

// goFiles are the sources of the module, tests or not, as one text.
func goFiles(t *testing.T, tests bool) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") != tests {
			return err
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

func readDoc(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	firstColumn = regexp.MustCompile(`(?m)^\| (.+?) \| `)
	spanOfCode  = regexp.MustCompile("`([^`]+)`")
)

// Every sentence that the troubleshooting page explains is one that the module,
// Caddy or the system says.
func TestDocumentedSentences(t *testing.T) {
	source := strings.ReplaceAll(goFiles(t, false), `\"`, `"`)
	elsewhere := map[string]bool{"connection refused": true, "evaluated placeholder": true, "is empty": true}
	n := 0
	for _, row := range firstColumn.FindAllStringSubmatch(readDoc(t, "troubleshooting.md"), -1) {
		for _, sentence := range spanOfCode.FindAllStringSubmatch(row[1], -1) {
			n++
			for _, part := range strings.Split(sentence[1], "…") {
				if part = strings.TrimSpace(part); !elsewhere[part] && !strings.Contains(source, part) {
					t.Errorf("nobody says %q", part)
				}
			}
		}
	}
	if n < 50 {
		t.Errorf("only %d sentences", n)
	}
}

// The security page names tests that exist.
func TestDocumentedTests(t *testing.T) {
	tests := goFiles(t, true)
	names := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(readDoc(t, "security.md"), -1)
	if len(names) < 30 {
		t.Errorf("only %d names", len(names))
	}
	for _, name := range names {
		if !strings.Contains(tests, "func "+name[1]+"(t ") {
			t.Errorf("there is no %s", name[1])
		}
	}
}

// The metrics page lists every metric with its labels, and no other.
func TestDocumentedMetrics(t *testing.T) {
	documented := make(map[string]string)
	for _, row := range regexp.MustCompile("(?m)^\\| `(caddy_dyndns_\\w+)` \\| \\w+ \\| (.*?) ?\\| ").FindAllStringSubmatch(readDoc(t, "metrics.md"), -1) {
		documented[row[1]] = strings.ReplaceAll(strings.ReplaceAll(row[2], "`", ""), " ", "")
	}
	registered := make(map[string]string)
	description := regexp.MustCompile(`fqName: "(\w+)".*variableLabels: \{([^}]*)\}`)
	descs := make(chan *prometheus.Desc, 100)
	for _, c := range collectors() {
		c.Describe(descs)
	}
	close(descs)
	for d := range descs {
		match := description.FindStringSubmatch(d.String())
		registered[match[1]] = match[2]
	}
	if !maps.Equal(documented, registered) {
		t.Errorf("documented %v, registered %v", documented, registered)
	}
}

// The logging page names every field, result, reason and event.
func TestDocumentedFields(t *testing.T) {
	page := readDoc(t, "logging.md")
	words := []string{logMessage, eventUpdated, eventDeleted, eventRefused}
	words = append(words, service.Results[:]...)
	for _, reason := range service.Reasons {
		words = append(words, string(reason))
	}
	logging, err := os.ReadFile("logging.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range regexp.MustCompile(`(?:zap\.[A-Z]\w+|enc\.Add\w+)\("(\w+)"`).FindAllStringSubmatch(string(logging), -1) {
		words = append(words, field[1])
	}
	events, err := os.ReadFile("events.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range regexp.MustCompile(`(?:data\[|[{ \t])"(\w+)"[\]:]`).FindAllStringSubmatch(string(events), -1) {
		words = append(words, key[1])
	}
	slices.Sort(words)
	for _, word := range slices.Compact(words) {
		if !strings.Contains(page, "`"+word+"`") {
			t.Errorf("%s is not documented", word)
		}
	}
}
