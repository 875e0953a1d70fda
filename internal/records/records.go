// Package records is the form in which programs that know DNS ask for changes, record by
// record: that of /records and, within this process, of the module dns.providers.dyndns.
package records

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddy-dyndns/dyndns/internal/address"
	"github.com/caddy-dyndns/dyndns/internal/challenge"
	"github.com/caddy-dyndns/dyndns/internal/change"
	"github.com/caddy-dyndns/dyndns/internal/name"
	"github.com/caddy-dyndns/dyndns/internal/redact"
	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/zone"
)

// Max is how many records one request may have.
const Max = 200

// Request is what is to be changed. No RRset may stand in two of its lists.
type Request struct {
	// Set replaces whole RRsets.
	Set []Record `json:"set,omitempty"`
	// Add puts values into RRsets.
	Add []Record `json:"add,omitempty"`
	// Delete takes values out of RRsets, or removes the whole where a record has no data.
	Delete []Record `json:"delete,omitempty"`
}

// Record is one value of an RRset.
type Record struct {
	// Name is an absolute name, with or without its final dot.
	Name string `json:"name"`
	// Type is a mnemonic: A, AAAA, HTTPS or TXT.
	Type string `json:"type"`
	// TTL is that of the whole RRset in seconds; 0 means the zone's. Delete ignores it.
	TTL uint32 `json:"ttl,omitempty"`
	// Data is an address, the text of a TXT record, or as a zone file has it.
	Data string `json:"data,omitempty"`
}

// Result is what became of one RRset.
type Result struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	Old     []string `json:"old"`
	New     []string `json:"new"`
	TTL     uint32   `json:"ttl"`
	Changed bool     `json:"changed"`
	Proven  bool     `json:"proven"`
}

// Submission returns what the service is asked for.
func (r Request) Submission() (service.Submission, *service.Error) {
	if n := len(r.Set) + len(r.Add) + len(r.Delete); n == 0 || n > Max {
		return service.Submission{}, bad("%d records are none, or more than %d", n, Max)
	}
	var sub service.Submission
	for _, list := range []struct {
		action  zone.Action
		records []Record
	}{{zone.Set, r.Set}, {zone.Add, r.Add}, {zone.Remove, r.Delete}} {
		for _, record := range list.records {
			if err := record.join(&sub, list.action); err != nil {
				return service.Submission{}, err
			}
		}
	}
	return sub, nil
}

// join has a submission change the record's RRset.
func (r Record) join(sub *service.Submission, action zone.Action) *service.Error {
	kind, known := zone.ParseType(r.Type)
	if !known {
		return bad("the type %s is none of A, AAAA, HTTPS and TXT", redact.Echo(r.Type))
	}
	fqdn, err := name.Owner(r.Name)
	if err != nil {
		return &service.Error{Reason: service.BadName, Message: err.Error()}
	}
	if r.TTL > 1<<31-1 { // RFC 2181 section 8
		return bad("ttl %d is greater than 2147483647", r.TTL)
	}
	of, isChallenge := fqdn, false
	if kind == zone.TypeTXT {
		of, isChallenge = strings.CutPrefix(fqdn, challenge.Prefix)
	}
	i := slices.IndexFunc(sub.Hosts, func(h service.Host) bool { return h.Name == of })
	if i < 0 {
		i = len(sub.Hosts)
		sub.Hosts = append(sub.Hosts, service.Host{Name: of})
	}
	host := &sub.Hosts[i]
	var wish *service.Wish
	switch {
	case kind == zone.TypeA:
		wish = &host.A
	case kind == zone.TypeAAAA:
		wish = &host.AAAA
	case kind == zone.TypeHTTPS:
		wish = &host.HTTPS
	case isChallenge:
		wish = &host.Challenge
	default:
		wish = &host.TXT
	}
	if r.Data == "" {
		if action != zone.Remove {
			return bad("a record of %s has no data", redact.Echo(fqdn))
		}
		action = zone.Delete
	}
	if wish.Mentioned() && (wish.Action != action || action == zone.Delete) {
		return bad("%s %s is changed twice", redact.Echo(fqdn), kind)
	}
	wish.Action = action
	if r.TTL != 0 {
		if wish.TTL != nil && *wish.TTL != r.TTL {
			return bad("%s %s has two TTLs", redact.Echo(fqdn), kind)
		}
		wish.TTL = &r.TTL
	}
	if action == zone.Delete {
		return nil
	}
	value, failure := r.value(kind, action)
	wish.Values = append(wish.Values, value)
	return failure
}

// value returns the record's data as the service takes it. What is removed may be what
// must not be published.
func (r Record) value(kind zone.Type, action zone.Action) (string, *service.Error) {
	badAddress := func(err error) *service.Error {
		return &service.Error{Reason: service.BadAddress, Message: err.Error()}
	}
	switch kind {
	case zone.TypeA, zone.TypeAAAA:
		a, err := address.Parse(r.Data)
		if err != nil {
			return "", badAddress(err)
		}
		if a.Is4() != (kind == zone.TypeA) {
			return "", badAddress(fmt.Errorf("%s does not fit a record of type %s", a, kind))
		}
		return a.String(), nil
	case zone.TypeHTTPS:
		hints, err := address.Hints(r.Data)
		if err != nil {
			return "", bad("%s", err)
		}
		for _, hint := range hints {
			if err := address.Publishable(hint); err != nil && action != zone.Remove {
				return "", badAddress(err)
			}
		}
	case zone.TypeTXT:
		if strings.ContainsFunc(r.Data, func(c rune) bool { return c < ' ' || c > '~' }) {
			return "", bad("the text at %s has characters that are not printable ASCII", redact.Echo(r.Name))
		}
	}
	if action != zone.Remove {
		if err := change.CheckValue(kind, r.Data); err != nil {
			return "", bad("%s", err)
		}
	}
	return r.Data, nil
}

func bad(format string, args ...any) *service.Error {
	return &service.Error{Reason: service.BadParameter, Message: fmt.Sprintf(format, args...)}
}

// List returns the submission that asks what stands at the names, or at all of the client
// if there are none.
func List(names []string) service.Submission {
	sub := service.Submission{List: true}
	for _, n := range names {
		sub.Hosts = append(sub.Hosts, service.Host{Name: n})
	}
	return sub
}

// Results returns what became of each RRset of an outcome.
func Results(out *service.Outcome) []Result {
	results := []Result{}
	for h := range out.Names() {
		for _, r := range h.Records {
			results = append(results, Result{r.Name, r.Type.String(), orEmpty(r.Old), orEmpty(r.New), r.TTL, r.Changed, r.Proven})
		}
	}
	return results
}

// orEmpty makes no values [] in JSON, not null.
func orEmpty(values []string) []string {
	if values == nil {
		return []string{}
	}
	return values
}
