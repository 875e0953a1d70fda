package manage

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/caddy-dyndns/dyndns/clients"
)

// table writes aligned columns.
type table struct{ w *tabwriter.Writer }

func newTable(out io.Writer) table { return table{tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)} }

// cell keeps a text to its cell: a note may hold anything.
var cell = strings.NewReplacer("\t", " ", "\n", " ", "\r", " ", "\v", " ", "\f", " ", "\x1b", "?")

func (t table) row(cells ...string) {
	for i, text := range cells {
		cells[i] = cell.Replace(text)
	}
	fmt.Fprintln(t.w, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
}

func (t table) flush() error { return t.w.Flush() }

// shownHosts is how many hosts of a client a list has.
const shownHosts = 3

func (t table) client(l Listed) {
	if l.Record == nil {
		t.row("?", "", "", "", "", "bad record", l.Error)
		return
	}
	state := "enabled"
	if l.Disabled {
		state = "disabled"
	}
	hosts := strings.Join(l.Hosts, " ")
	if len(l.Hosts) > shownHosts {
		hosts = fmt.Sprintf("%s and %d more", strings.Join(l.Hosts[:shownHosts], " "), len(l.Hosts)-shownHosts)
	}
	lastSeen := "-"
	if !l.LastSeen.IsZero() {
		lastSeen = l.LastSeen.Format(time.DateOnly)
	}
	expires := "-"
	if !l.Expires.IsZero() {
		expires = l.Expires.Format(time.DateOnly)
	}
	t.row(l.Name, hosts, fmt.Sprint(len(l.Tokens)), lastSeen, expires, state, l.Note)
}

// show prints a client.
func (c *call) show(r *clients.Record) error {
	if c.json {
		return c.print(r)
	}
	t := newTable(c.out)
	t.row("name", r.Name)
	for _, host := range r.Hosts {
		t.row("host", host)
	}
	for _, l := range r.LAN {
		t.row("lan", l.Name+" "+l.InterfaceID)
	}
	for _, network := range r.From {
		t.row("from", network)
	}
	if r.Limit != nil {
		t.row("limit", fmt.Sprintf("%d changes within %s", r.Limit.Changes, r.Limit.Per))
	}
	if r.Disabled {
		t.row("disabled", "yes")
	}
	if r.NoCertificates {
		t.row("certificates", "none")
	}
	if r.Note != "" {
		t.row("note", r.Note)
	}
	for _, token := range r.Tokens {
		t.row("token", describe(token))
	}
	for _, token := range r.Owner {
		t.row("owner token", describe(token))
	}
	return t.flush()
}

func describe(t clients.Token) string {
	text := t.ID()
	if !t.Created.IsZero() {
		text += ", created " + t.Created.Format(time.RFC3339)
	}
	switch {
	case t.Expires.IsZero():
	case t.Expires.After(time.Now()):
		text += ", expires " + t.Expires.Format(time.RFC3339)
	default:
		text += ", expired " + t.Expires.Format(time.RFC3339)
	}
	return text
}

// progress is a count that moves on a terminal.
type progress struct {
	out   *os.File // nil if there is no terminal
	shown bool
}

func newProgress() *progress {
	p := new(progress)
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		p.out = os.Stderr
	}
	return p
}

func (p *progress) show(n int) {
	if p.out != nil {
		fmt.Fprintf(p.out, "\r%d lines", n)
		p.shown = true
	}
}

// clear empties the line of the count.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.shown = false
	}
}
