package dyndns

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// sourceText is the source of the module but for tests, as one text.
func sourceText(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
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
	source := strings.ReplaceAll(sourceText(t), `\"`, `"`)
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
	if n == 0 {
		t.Error("found no sentence")
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
