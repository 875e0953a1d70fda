// Package pages renders what a person reads: how to set up a router, and what
// was submitted. Every page exists as HTML, as plain text and as JSON. The HTML
// needs no script and loads nothing but itself.
package pages

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	texttemplate "text/template"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/address"
	"github.com/caddy-dyndns/dyndns/internal/history"
)

// Paths of the pages below Site.Base, and the arguments that they take.
const (
	PathUsage  = "/"
	PathHosts  = "/statistics/updates-by-fqdn"
	PathLatest = "/statistics/latest-submissions"

	// ParamHost is the host name that the usage page puts into its settings.
	ParamHost = "host"
	// ParamSignIn asks the usage page to ask for a password.
	ParamSignIn = "sign-in"
	// ParamFQDN asks PathHosts for the page of one host.
	ParamFQDN = "fqdn"
	// ParamPage is the number of a page of a list, from 1 on.
	ParamPage = "page"
)

// PageSize is how many lines of a list a page shows.
const PageSize = 50

// Page is a page of a site. Its exported fields are for the templates.
type Page struct {
	file        string // of its templates, without the extension
	Path, Title string
	// Data is what the templates show, and the page as JSON.
	Data any
}

// List is a page of a list.
type List struct {
	Number int `json:"page"`  // from 1 on
	Pages  int `json:"pages"` // at least one
	Total  int `json:"total"` // of the lines on all pages
}

// PageNumber reads ParamPage; anything but a number is the first page.
func PageNumber(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 1_000_000 {
		return 1
	}
	return n
}

// Offset is the number of lines on the pages before a page.
func Offset(number int) int { return (number - 1) * PageSize }

func newList(number, total int) List {
	return List{Number: number, Pages: max(1, (total+PageSize-1)/PageSize), Total: total}
}

// Previous is the page before, 0 if this is the first.
func (l List) Previous() int { return min(l.Number-1, l.Pages) }

// Next is the page after, 0 if this is the last.
func (l List) Next() int {
	if l.Number >= l.Pages {
		return 0
	}
	return l.Number + 1
}

// Latest is the page of that number of the latest submissions for the hosts of a
// client, of which there are total.
func Latest(client string, submissions []history.Submission, number, total int) Page {
	return Page{"latest", PathLatest, "Latest submissions", struct {
		Client      string               `json:"-"`
		Submissions []history.Submission `json:"submissions"`
		List
	}{client, append([]history.Submission{}, submissions...), newList(number, total)}}
}

// Message only says something: that a password is needed, or that a host is not
// known.
func Message(title, text string) Page {
	return Page{"message", "", title, map[string]any{"error": map[string]string{"message": text}}}
}

//go:embed templates
var files embed.FS

var (
	functions = template.FuncMap{
		"style":   func() template.CSS { return template.CSS(style) },
		"script":  func() template.JS { return template.JS(script) },
		"ago":     func(t time.Time) string { return ago(time.Since(t)) },
		"private": address.PrivateText,
		"note":    func(status string) string { return notes[status] },
		"bare":    bare,
		"clean":   clean,
		"indent":  indent,
		"values":  func(all []string) string { return strings.Join(all, ", ") },
		"present": present,
		"labels":  func(name string) []string { return strings.Split(bare(name), ".") },
		"lines":   func(s string) bool { return strings.Contains(s, "\n") },
		"hosts":   func() string { return PathHosts },
		"latest":  func() string { return PathLatest },
	}
	htmls = template.Must(template.New("").Funcs(functions).ParseFS(files, "templates/*.html"))
	texts = texttemplate.Must(texttemplate.New("").Funcs(texttemplate.FuncMap(functions)).ParseFS(files, "templates/*.txt"))
)

// Write writes the page as it stands on a site.
func (p Page) Write(w io.Writer, s Site, f Format) error {
	view := struct {
		Page
		Site Site
	}{p, s}
	switch f {
	case HTML:
		return htmls.ExecuteTemplate(w, p.file+".html", view)
	case JSON:
		return json.NewEncoder(w).Encode(p.Data)
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.StripEscape)
	if err := texts.ExecuteTemplate(t, p.file+".txt", view); err != nil {
		return fmt.Errorf("writing a page as text: %w", err)
	}
	return t.Flush()
}

// bare is a name as people write it, without the root's dot.
func bare(name string) string { return strings.TrimSuffix(name, ".") }

// present lists what a host holds in all types.
func present(current []history.Current) (all []string) {
	for _, c := range current {
		all = append(all, c.Values...)
	}
	return all
}

// ago says how long ago something was, or in how long it will be, in one unit.
func ago(d time.Duration) string {
	const day = 24 * time.Hour
	unit, length := "minute", time.Minute
	switch magnitude := d.Abs(); {
	case magnitude < time.Minute:
		return "just now"
	case magnitude >= 2*365*day:
		unit, length = "year", 365*day
	case magnitude >= 60*day:
		unit, length = "month", 30*day
	case magnitude >= day:
		unit, length = "day", day
	case magnitude >= time.Hour:
		unit, length = "hour", time.Hour
	}
	n := int(d.Abs() / length)
	if n > 1 {
		unit += "s"
	}
	if d < 0 {
		return fmt.Sprintf("in %d %s", n, unit)
	}
	return fmt.Sprintf("%d %s ago", n, unit)
}

// clean keeps the control characters of a TXT value away from a terminal.
func clean(v any) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f {
			return '?'
		}
		return r
	}, fmt.Sprint(v))
}

// indent indents a file that stands in a text; its tabs part no columns.
func indent(s string) string {
	const escape = "\xff" // [tabwriter.Escape]
	return escape + "    " + strings.ReplaceAll(strings.TrimSuffix(s, "\n"), "\n", "\n    ") + escape
}
