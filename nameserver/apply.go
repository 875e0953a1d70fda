package nameserver

import (
	"fmt"
	"slices"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/authority"
	"github.com/caddy-dyndns/dyndns/internal/change"
	"github.com/caddy-dyndns/dyndns/zone"
)

// application makes the valid changes of one Apply.
type application struct {
	changes []change.Change
	// invalid are the results of the call with the errors of the other changes.
	invalid []zone.Result
	// results are those of the last run.
	results []zone.Result
}

// run makes the changes in an overlay. What can be wrong with a name is the error of all
// its changes, and of no others.
func (a *application) run(c *configuration, overlay *authority.Zone) map[authority.RRset][]dns.RR {
	a.results = slices.Clone(a.invalid)
	return overlay.Change(func() {
		for _, name := range a.names() {
			sets, err := a.name(c, overlay, name)
			if err != nil {
				err.Zone, err.Name = c.name, name
				a.fail(name, err)
				continue
			}
			for rrtype, set := range sets {
				overlay.Store(authority.RRset{Owner: name, Type: uint16(rrtype)}, recordsOf(name, rrtype, set))
			}
		}
	})
}

// names returns the names of the changes, each once.
func (a *application) names() []string {
	names := make([]string, len(a.changes))
	for i, c := range a.changes {
		names[i] = c.Name
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// name returns what the changes of a name make of its RRsets, as far as they are others.
func (a *application) name(c *configuration, overlay *authority.Zone, name string) (map[zone.Type]change.Set, *zone.Error) {
	if overlay.Records(name, dns.TypeCNAME) != nil {
		return nil, &zone.Error{Reason: zone.Conflict, Hint: "a CNAME stands at " + name}
	}
	known, changed := make(map[zone.Type]change.Set), make(map[zone.Type]change.Set)
	for i := range a.changes {
		w := &a.changes[i]
		if w.Name != name {
			continue
		}
		if w.NotNameServer && slices.Contains(c.nameServers, change.HostOf(name)) {
			return nil, &zone.Error{Reason: zone.NameServer}
		}
		id := authority.RRset{Owner: name, Type: uint16(w.Type)}
		if w.Action != zone.Keep && c.isStatic(id) {
			return nil, &zone.Error{Reason: zone.Conflict, Hint: fmt.Sprintf("the configuration of the zone has the record of type %s", w.Type)}
		}
		before, ok := known[w.Type]
		if !ok {
			before = setOf(w.Type, overlay.Records(name, id.Type))
		}
		after, _ := w.Of(before)
		r := zone.Result{Old: before.Text, New: after.Text, Proven: true}
		if after.Exists() {
			r.TTL = after.TTL
		}
		if r.Changed = !before.SameValues(after) || after.Exists() && before.TTL != after.TTL; r.Changed {
			if err := checkRRset(recordsOf(name, w.Type, after)); err != nil {
				return nil, &zone.Error{Reason: zone.Refused, Hint: err.Error()}
			}
			changed[w.Type] = after
		}
		known[w.Type] = after
		a.results[w.Index] = r
	}
	return changed, nil
}

// fail gives the changes of a name an error.
func (a *application) fail(name string, err *zone.Error) {
	for _, c := range a.changes {
		if c.Name == name {
			a.results[c.Index] = zone.Result{Err: err}
		}
	}
}

// failAll returns results with an error for every valid change.
func (a *application) failAll(apex string, err zone.Error) []zone.Result {
	results := slices.Clone(a.invalid)
	for _, c := range a.changes {
		e := err
		e.Zone, e.Name = apex, c.Name
		results[c.Index].Err = &e
	}
	return results
}

// setOf returns the values of records.
func setOf(t zone.Type, records []dns.RR) change.Set {
	var data []string
	for _, rr := range records {
		// A copy, for it is written to.
		if value, err := change.PackData(dns.Copy(rr)); err == nil {
			data = append(data, value)
		}
	}
	if data == nil {
		return change.Set{}
	}
	return change.NewSet(t, data, records[0].Header().Ttl)
}

// recordsOf returns the records with the values.
func recordsOf(name string, t zone.Type, set change.Set) []dns.RR {
	var records []dns.RR
	for _, data := range set.Data {
		header := dns.RR_Header{Name: name, Rrtype: uint16(t), Class: dns.ClassINET, Ttl: set.TTL, Rdlength: uint16(len(data))}
		rr, _, err := dns.UnpackRRWithHeader(header, []byte(data), 0)
		if err != nil {
			// It was packed from a record.
			panic(fmt.Sprintf("nameserver: reading the data of a record of type %s: %v", t, err))
		}
		rr.Header().Rdlength = 0
		records = append(records, rr)
	}
	return records
}
