// Package pages renders what a person reads: how to set up a router, and what
// was submitted. Every page exists as HTML, as plain text and as JSON. The HTML
// needs no script and loads nothing but itself.
package pages

import (
	"embed"
	"encoding/json"
	"html/template"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

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

// UsageData is what the usage page shows.
type UsageData struct {
	Site    Site
	Visitor netip.Addr
	// Host is the visitor's own text from the form.
	Host string
}

// HostsData is a page of the hosts.
type HostsData struct {
	Site   Site
	Client string
	Hosts  []history.Host
	Page   Page
}

// HostData is one host with its changes.
type HostData struct {
	Site   Site
	Client string
	Host   history.Host
}

// LatestData is a page of the latest submissions.
type LatestData struct {
	Site        Site
	Client      string
	Submissions []history.Submission
	Page        Page
}

// MessageData is what a visitor is told instead of a page.
type MessageData struct {
	Site        Site
	Title, Text string
}

// Page is a page of a list.
type Page struct {
	Number int // from 1 on
	Total  int // of the lines on all pages
}

// PageNumber reads ParamPage; anything but a number is the first page.
func PageNumber(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 1_000_000 {
		return 1
	}
	return n
}

// Offset is the number of lines on the pages before.
func (p Page) Offset() int { return (p.Number - 1) * PageSize }

// Pages is how many there are, at least one.
func (p Page) Pages() int { return max(1, (p.Total+PageSize-1)/PageSize) }

// Previous is the page before, 0 if this is the first.
func (p Page) Previous() int { return min(p.Number-1, p.Pages()) }

// Next is the page after, 0 if this is the last.
func (p Page) Next() int {
	if p.Number >= p.Pages() {
		return 0
	}
	return p.Number + 1
}

//go:embed templates/*.html
var files embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"style":   func() template.CSS { return template.CSS(style) },
	"bare":    bare,
	"moment":  moment,
	"rfc3339": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"values":  values,
	"present": present,
	"changed": changed,
	"labels":  func(name string) []string { return strings.Split(bare(name), ".") },
	"lines":   func(s string) bool { return strings.Contains(s, "\n") },
	"hosts":   func() string { return PathHosts },
	"latest":  func() string { return PathLatest },
}).ParseFS(files, "templates/*.html"))

// Usage writes the usage page.
func Usage(w io.Writer, d UsageData, f Format) error {
	u := usage{
		Site: d.Site, Path: PathUsage, Title: "Dynamic DNS", Address: "unknown", Host: d.Host, Name: placeholderName,
	}
	if d.Visitor.IsValid() {
		u.Address = d.Visitor.Unmap().WithZone("").String()
		u.Family = "IPv4"
		if d.Visitor.Unmap().Is6() {
			u.Family = "IPv6"
		}
	}
	if d.Host != "" {
		normal, err := name.Normalize(strings.TrimSpace(d.Host))
		if err != nil {
			u.HostError = err.Error()
		} else {
			u.Name = bare(normal)
			u.Filled = true
		}
	}
	fill := u.filler()
	for _, e := range endpoints {
		u.Endpoints = append(u.Endpoints, Endpoint{Path: fill(e.Path), Use: fill(e.Use)})
	}
	for _, device := range devices {
		if device.rootOnly && d.Site.Base != "" {
			continue
		}
		filled := Device{ID: device.ID, Name: device.Name, Where: device.Where, Notes: device.Notes}
		for _, s := range device.Settings {
			filled.Settings = append(filled.Settings, Setting{Label: s.Label, Value: fill(s.Value)})
		}
		u.Devices = append(u.Devices, filled)
	}
	return render(w, f, "usage.html", u, u.text, u)
}

// Hosts writes a page of the hosts.
func Hosts(w io.Writer, d HostsData, f Format) error {
	v := view[HostsData]{Site: d.Site, Path: PathHosts, Title: "Updates by host", Data: d}
	return render(w, f, "hosts.html", v, d.text, struct {
		Hosts []history.Host `json:"hosts"`
		pageJSON
	}{list(d.Hosts), d.Page.json()})
}

// Host writes the page of one host.
func Host(w io.Writer, d HostData, f Format) error {
	v := view[HostData]{Site: d.Site, Path: PathHosts, Title: bare(d.Host.Name), Data: d}
	return render(w, f, "host.html", v, d.text, d.Host)
}

// Latest writes a page of the latest submissions.
func Latest(w io.Writer, d LatestData, f Format) error {
	v := view[LatestData]{Site: d.Site, Path: PathLatest, Title: "Latest submissions", Data: d}
	return render(w, f, "latest.html", v, d.text, struct {
		Submissions []history.Submission `json:"submissions"`
		pageJSON
	}{list(d.Submissions), d.Page.json()})
}

// Message writes a page that only says something: that a password is needed, or
// that a host is not known.
func Message(w io.Writer, d MessageData, f Format) error {
	v := view[MessageData]{Site: d.Site, Title: d.Title, Data: d}
	return render(w, f, "message.html", v, d.text, map[string]any{"error": map[string]string{"message": d.Text}})
}

// view is what the layout knows of any page.
type view[T any] struct {
	Site        Site
	Path, Title string
	Data        T
}

// usage is the usage page with everything filled in.
type usage struct {
	Site      Site       `json:"-"`
	Path      string     `json:"-"`
	Title     string     `json:"-"`
	Address   string     `json:"address"`
	Family    string     `json:"-"`
	Host      string     `json:"-"`
	HostError string     `json:"error,omitempty"`
	Name      string     `json:"host"`
	Filled    bool       `json:"-"`
	Endpoints []Endpoint `json:"endpoints"`
	Devices   []Device   `json:"settings"`
}

// filler puts this site and name into an endpoint or a setting.
func (u *usage) filler() func(string) string {
	server, port := u.Site.Host, "443"
	if i := strings.LastIndexByte(server, ':'); i > strings.LastIndexByte(server, ']') {
		port = server[i+1:]
	} else if u.Site.Plain {
		port = "80"
	}
	return strings.NewReplacer(
		"{url}", u.Site.URL(), "{server}", server, "{base}", u.Site.Base,
		"{bare-server}", strings.TrimSuffix(server, ":"+port), "{port}", port,
		"{name}", u.Name, "{token}", placeholderToken,
	).Replace
}

type pageJSON struct {
	Page  int `json:"page"`
	Pages int `json:"pages"`
	Total int `json:"total"`
}

func (p Page) json() pageJSON { return pageJSON{Page: p.Number, Pages: p.Pages(), Total: p.Total} }

// list makes a missing list an empty one, which JSON tells apart.
func list[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}

func render(w io.Writer, f Format, page string, html any, text func(io.Writer) error, data any) error {
	switch f {
	case HTML:
		return templates.ExecuteTemplate(w, page, html)
	case JSON:
		return json.NewEncoder(w).Encode(data)
	}
	return text(w)
}

// bare is a name as people write it, without the root's dot.
func bare(name string) string { return strings.TrimSuffix(name, ".") }

func moment(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

// values lists the values of an RRset.
func values(all []string) string {
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}
