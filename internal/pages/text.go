package pages

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/caddy-dyndns/dyndns/internal/history"
)

func (u usage) text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Dynamic DNS on %s\n\nYour address: %s\n", u.Site.Host, u.Address)
	if u.HostError != "" {
		fmt.Fprintf(&b, "\nHost name: %s\n", u.HostError)
	}
	b.WriteString("\nEndpoints\n")
	for _, e := range u.Endpoints {
		fmt.Fprintf(&b, "\n  %s\n      %s\n", e.Path, e.Use)
	}
	for _, d := range u.Devices {
		fmt.Fprintf(&b, "\n%s (%s)\n", d.Name, d.Where)
		for _, s := range d.Settings {
			if strings.Contains(s.Value, "\n") {
				fmt.Fprintf(&b, "\n  %s:\n\n", s.Label)
				for line := range strings.Lines(s.Value) {
					b.WriteString("    " + line)
				}
			} else {
				fmt.Fprintf(&b, "  %s: %s\n", s.Label, s.Value)
			}
		}
		for _, n := range d.Notes {
			fmt.Fprintf(&b, "  - %s\n", n)
		}
	}
	fmt.Fprintf(&b, "\nYour own host name in all of this: %s/?%s=%s\n", u.Site.URL(), ParamHost, placeholderName)
	_, err := io.WriteString(w, b.String())
	return err
}

func (d HostsData) text(w io.Writer) error {
	return table(w, func(t io.Writer) {
		row(t, "HOST", "ADDRESSES", "LAST SUBMISSION (UTC)", "LAST CHANGE (UTC)", "SUBMISSIONS", "CHANGES", "CLIENT")
		for _, h := range d.Hosts {
			row(t, bare(h.Name), values(present(h)), moment(h.Last), moment(h.Changed), h.Submissions, h.Changes, h.Client)
		}
	}, d.Page)
}

func (d HostData) text(w io.Writer) error {
	h := d.Host
	return table(w, func(t io.Writer) {
		for _, line := range [][2]any{
			{"host", bare(h.Name)}, {"addresses", values(present(h))}, {"first submission (UTC)", moment(h.First)},
			{"last submission (UTC)", moment(h.Last) + ", " + h.LastResult}, {"last change (UTC)", moment(h.Changed)},
			{"submissions", h.Submissions}, {"changes", h.Changes}, {"failures", h.Failures},
			{"client", h.Client}, {"network", h.Source}, {"user agent", h.UserAgent},
		} {
			row(t, line[0], line[1])
		}
		if len(h.Log) > 0 {
			row(t, "")
			row(t, "CHANGED (UTC)", "TYPE", "FROM", "TO")
		}
		for _, c := range h.Log {
			row(t, moment(c.At), c.Type, values(c.Old), values(c.New))
		}
	}, Page{})
}

func (d LatestData) text(w io.Writer) error {
	return table(w, func(t io.Writer) {
		row(t, "TIME (UTC)", "HOST", "RESULT", "WHAT", "CLIENT", "NETWORK", "USER AGENT")
		for _, s := range d.Submissions {
			row(t, moment(s.At), bare(s.Name), s.Result, what(s), s.Client, s.Source, s.UserAgent)
		}
	}, d.Page)
}

func (d MessageData) text(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s\n", clean(d.Text))
	return err
}

// present lists what a host holds in all types.
func present(h history.Host) (all []string) {
	for _, c := range h.Current {
		all = append(all, c.Values...)
	}
	return all
}

// changed is false for the other family of a submission that changed one, and
// where the TTL alone was changed.
func changed(c history.Change) bool { return !slices.Equal(c.Old, c.New) }

// what says in a few words what a submission did.
func what(s history.Submission) string {
	var parts []string
	for _, c := range s.Records {
		if changed(c) {
			parts = append(parts, c.Type+" "+values(c.Old)+" -> "+values(c.New))
		} else {
			parts = append(parts, c.Type+" "+values(c.New))
		}
	}
	if s.Message != "" {
		parts = append(parts, s.Message)
	}
	text := strings.Join(parts, "; ")
	if s.Times > 1 {
		text = fmt.Sprintf("%s (%d times)", text, s.Times)
	}
	return text
}

func table(w io.Writer, fill func(io.Writer), p Page) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fill(t)
	if p.Pages() > 1 {
		fmt.Fprintf(t, "\npage %d of %d; ?%s=%d\n", p.Number, p.Pages(), ParamPage, p.Number+1)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("writing a table: %w", err)
	}
	return nil
}

func row(w io.Writer, cells ...any) {
	for i, c := range cells {
		if i > 0 {
			fmt.Fprint(w, "\t")
		}
		fmt.Fprint(w, clean(fmt.Sprint(c)))
	}
	fmt.Fprintln(w)
}

// clean keeps the control characters of a TXT value away from a terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f {
			return '?'
		}
		return r
	}, s)
}
