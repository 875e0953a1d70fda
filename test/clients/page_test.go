//go:build integration && linux

package clients

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of docs/clients.md instead of comparing it")

const (
	page      = "../../docs/clients.md"
	beginMark = "<!-- The table is written by: go test -tags integration ./test/clients -run TestClients -update -->\n\n"
	endMark   = "\n<!-- end of the table -->\n"
)

// table writes the matrix as Markdown.
func table(t *testing.T, seen map[string][][]exchange) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("| client | over | case | request | reply | what the client concludes |\n|---|---|---|---|---|---|\n")
	for _, c := range matrix {
		over := "HTTP"
		switch {
		case c.http && c.https:
			over = "HTTP, HTTPS"
		case c.https:
			over = "HTTPS"
		}
		for i, scenario := range scenarios {
			var requests, replies []string
			for _, e := range seen[c.name][i] {
				requests = append(requests, strings.Replace("`"+e.request+"`", " "+noPassword+"`", "` "+noPassword, 1))
				status, body, _ := strings.Cut(e.reply, " ")
				reply := status
				if body != "" {
					reply += " `" + body + "`"
				}
				replies = append(replies, reply)
			}
			exit := fmt.Sprintf("exit %d", c.outcomes[i].exit)
			if c.outcomes[i].exit < 0 {
				exit = "goes on"
			}
			fmt.Fprintf(&b, "| %s %s | %s | %s | %s | %s | %s: `%s` |\n", c.name, c.versionOf(t), over, scenario.name,
				strings.Join(requests, "<br>"), strings.Join(replies, "<br>"), exit, c.outcomes[i].text)
		}
	}
	return b.String()
}

// versions are what Debian's next update may change: the clients' in the first column.
var versions = regexp.MustCompile(`(?m)^(\| [^|]*?) [0-9.]+ \|`)

// checkPage compares the table with the page, or writes it there.
func checkPage(t *testing.T, table string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begun := strings.Cut(string(text), beginMark)
	have, after, ended := strings.Cut(rest, endMark)
	if !begun || !ended {
		t.Fatalf("%s has no place for the table", page)
	}
	switch {
	case *update:
		if err := os.WriteFile(page, []byte(before+beginMark+table+endMark+after), 0o644); err != nil {
			t.Fatal(err)
		}
	case versions.ReplaceAllString(have, "$1 |") != versions.ReplaceAllString(table, "$1 |"):
		t.Errorf("%s has another table; with -update this one is written:\n%s", page, table)
	}
}
