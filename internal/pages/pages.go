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
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	texttemplate "text/template"

	"github.com/caddy-dyndns/dyndns/internal/history"
	"github.com/caddy-dyndns/dyndns/internal/name"
)

// Paths of the pages below Site.Base, and the arguments that they take.
const (
	PathUsage  = "/"
	PathHosts  = "/statistics/updates-by-fqdn"
	PathLatest = "/statistics/latest-submissions"

	// ParamHost is the host name that the usage page puts into its settings.
	ParamHost = "host"
	// ParamFQDN asks PathHosts for the page of one host.
	ParamFQDN = "fqdn"
	// ParamPage is the number of a page of a list, from 1 on.
	ParamPage = "page"
)

// PageSize is how many lines of a list a page shows.
const PageSize = 50

// Site is where the pages stand.
type Site struct {
	// Host is the host name, with the port if it is not the scheme's own.
	Host string
	// Plain tells that the page came over HTTP without TLS.
	Plain bool
	// Base is the path prefix that was stripped from the request, without a
	// slash at its end; empty as a rule.
	Base string
	// Statistics tells whether there is a history to show.
	Statistics bool
}

// URL is the address of the site without a path.
func (s Site) URL() string {
	if s.Plain {
		return "http://" + s.Host + s.Base
	}
	return "https://" + s.Host + s.Base
}

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

// usage is the usage page with everything filled in.
type usage struct {
	Address   string     `json:"address"`
	Family    string     `json:"-"`
	Host      string     `json:"-"` // the visitor's own text
	Error     string     `json:"error,omitempty"`
	Name      string     `json:"host"`
	Filled    bool       `json:"-"`
	Endpoints []Endpoint `json:"endpoints"`
	Devices   []Device   `json:"settings"`
	// Certificates are the clients of ACME.
	Certificates []Device `json:"certificates"`
}

// Usage is the usage page for a visitor's address and the host name that they typed.
func Usage(s Site, visitor netip.Addr, host string) Page {
	u := usage{Address: "unknown", Host: host, Name: placeholderName}
	if visitor.IsValid() {
		visitor = visitor.Unmap().WithZone("")
		u.Address, u.Family = visitor.String(), "IPv4"
		if visitor.Is6() {
			u.Family = "IPv6"
		}
	}
	if host != "" {
		if normal, err := name.Normalize(strings.TrimSpace(host)); err != nil {
			u.Error = err.Error()
		} else {
			u.Name, u.Filled = bare(normal), true
		}
	}
	fill := filler(s, u.Name)
	for _, e := range endpoints {
		u.Endpoints = append(u.Endpoints, Endpoint{fill(e.Path), fill(e.Use)})
	}
	filled := func(devices []Device) (all []Device) {
		for _, d := range devices {
			if d.rootOnly && s.Base != "" {
				continue
			}
			d.Settings = slices.Clone(d.Settings)
			for i := range d.Settings {
				d.Settings[i].Value = fill(d.Settings[i].Value)
			}
			all = append(all, d)
		}
		return all
	}
	u.Devices, u.Certificates = filled(devices), filled(acmeClients)
	return Page{"usage", PathUsage, "Dynamic DNS", u}
}

// filler puts a site and a name into an endpoint or a setting.
func filler(s Site, name string) func(string) string {
	port := "443"
	if i := strings.LastIndexByte(s.Host, ':'); i > strings.LastIndexByte(s.Host, ']') {
		port = s.Host[i+1:]
	} else if s.Plain {
		port = "80"
	}
	// Texts always encode.
	account, _ := json.Marshal(Accounts(name, placeholderToken, s.URL()))
	return strings.NewReplacer(
		"{account}", string(account), "{url}", s.URL(), "{server}", s.Host, "{base}", s.Base,
		"{bare-server}", strings.TrimSuffix(s.Host, ":"+port), "{port}", port,
		"{name}", name, "{token}", placeholderToken,
	).Replace
}

//go:embed templates
var files embed.FS

var (
	functions = template.FuncMap{
		"style":   func() template.CSS { return template.CSS(style) },
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
