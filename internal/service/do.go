package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/zone"
)

// Do carries out a submission for a client that Authenticate found.
func (s *Service) Do(ctx context.Context, client *clients.Client, sub Submission) Outcome {
	out := Outcome{Client: client.Name}
	if client.Owner() && !sub.List {
		out.Err = &Error{Reason: NotGranted, Message: "an owner's token changes no name"}
		return out
	}
	if sub.Check {
		out.Checks, out.Err = s.check(ctx, client)
		return out
	}
	whole := ctx // which waits for nameservers when the change is made
	// It ends with the request, too: done for clients that have gone, the work of an
	// overloaded server would come too late for all others.
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	if sub.List {
		sub.Hosts = s.list(client, sub.Hosts)
	}
	p, err := s.change(ctx, client, &sub)
	if err != nil {
		out.Err = err
		return out
	}
	outcomes := p.outcomes()
	s.propagate(whole, p, outcomes)
	out.Hosts, out.LAN = outcomes[:len(sub.Hosts)], outcomes[len(sub.Hosts):]
	if sub.List { // what no pattern covers is known only now
		out.Hosts = slices.DeleteFunc(out.Hosts, func(h HostOutcome) bool { return h.Err != nil && h.Err.Reason == NotGranted })
	}
	return out
}

// change plans what a submission changes and does it.
func (s *Service) change(ctx context.Context, client *clients.Client, sub *Submission) (*plan, *Error) {
	release, err := s.holdChallenges(ctx, client, sub)
	if err != nil {
		return nil, err
	}
	defer release()
	p, err := s.plan(ctx, client, sub)
	if err != nil {
		return nil, err
	}
	if err := s.note(ctx, p); err != nil {
		return nil, err
	}
	for i := range p.zones {
		p.zones[i].service = s
	}
	settle := s.reserve(p, client)
	p.apply(ctx)
	settle()
	s.forget(ctx, p)
	return p, nil
}

// plan is a submission turned into changes, zone by zone.
type plan struct {
	// targets are the hosts of the submission in their order, then the LAN hosts.
	targets []target
	zones   []zoneWork
	// The arrays spare an allocation each in the usual request, for one host.
	targetArray [1]target
	zoneArray   [1]zoneWork
}

// target is one name of a plan and where its results will stand.
type target struct {
	outcome HostOutcome
	// work indexes plan.zones; from and to bound the target's changes there.
	work, from, to int
	// texts are what it changes in TXT records, nil if nothing.
	texts *texts
	// sameAs is the index of an earlier target of the same name, or -1.
	sameAs int
}

// zoneWork is everything that a submission changes in one zone: one UPDATE message.
type zoneWork struct {
	zone    *Zone
	changes []zone.Change
	results []zone.Result
	moves   []move
	// service is told of a defect of the backend.
	service *Service
	// refusal is set if the client may change no address at present.
	refusal *Error
}

// add appends the changes of one name, to be made in its zone.
func (p *plan) add(fqdn string, in *Zone, changes ...zone.Change) {
	t := target{outcome: HostOutcome{Name: fqdn, Zone: in.Name}, sameAs: -1}
	for t.work = 0; t.work < len(p.zones); t.work++ {
		if p.zones[t.work].zone == in {
			break
		}
	}
	if t.work == len(p.zones) {
		p.zones = append(p.zones, zoneWork{zone: in})
	}
	w := &p.zones[t.work]
	t.from = len(w.changes)
	if w.changes == nil { // as a rule there is one name, whose changes they stay
		w.changes = changes
	} else {
		w.changes = append(w.changes, changes...)
	}
	t.to = len(w.changes)
	p.targets = append(p.targets, t)
}

// refuse adds a name that will not be changed.
func (p *plan) refuse(text string, err *Error) {
	p.targets = append(p.targets, target{outcome: HostOutcome{Name: text, Err: err}, sameAs: -1})
}

// find returns the index of the target with that name and true, if there is one.
func (p *plan) find(fqdn string) (int, bool) {
	for i := range p.targets {
		if p.targets[i].outcome.Name == fqdn {
			return i, true
		}
	}
	return 0, false
}

// change returns the change of that name and type among those of the first n
// targets, nil if there is none.
func (p *plan) change(n int, fqdn string, kind zone.Type) *zone.Change {
	for _, t := range p.targets[:n] {
		for i := t.from; i < t.to; i++ {
			if c := &p.zones[t.work].changes[i]; c.Name == fqdn && c.Type == kind {
				return c
			}
		}
	}
	return nil
}

// apply asks the nameservers of all zones at once.
func (p *plan) apply(ctx context.Context) {
	if len(p.zones) == 1 {
		p.zones[0].apply(ctx)
		return
	}
	var wg sync.WaitGroup
	for i := range p.zones {
		wg.Go(func() { p.zones[i].apply(ctx) })
	}
	wg.Wait()
}

func (w *zoneWork) apply(ctx context.Context) {
	if len(w.changes) == 0 {
		return
	}
	// A defect of one backend must not end the process.
	defer func() {
		if v := recover(); v != nil {
			w.results = w.lost(w.changes, panicked(v))
		}
	}()
	if w.refusal != nil {
		w.applyWithin(ctx)
		return
	}
	if len(w.moves) > 0 {
		w.applyMoves(ctx)
		return
	}
	w.results = w.ask(ctx, w.changes)
}

// ask has the backend make changes.
func (w *zoneWork) ask(ctx context.Context, changes []zone.Change) []zone.Result {
	results := w.zone.Backend.Apply(ctx, changes)
	if len(results) != len(changes) {
		return w.lost(changes, fmt.Errorf("%d results for %d changes", len(results), len(changes)))
	}
	return results
}

// lost tells of a defect that keeps the results of changes unknown, and returns them.
func (w *zoneWork) lost(changes []zone.Change, defect error) []zone.Result {
	w.service.defect(w.zone, defect)
	results := make([]zone.Result, len(changes))
	for i := range results {
		results[i].Err = &zone.Error{Reason: zone.Unreachable, Zone: w.zone.Name, Name: changes[i].Name, Unknown: true, Cause: errDefect}
	}
	return results
}

var errDefect = errors.New("an internal error, which the log describes")

// panicked returns what the log says of a panic.
func panicked(value any) error { return fmt.Errorf("panic: %v\n%s", value, debug.Stack()) }

// defect tells of a defect in the backend of a zone.
func (s *Service) defect(of *Zone, err error) {
	s.Warn("internal error in what changes a zone", of.Name, err)
}

// outcomes returns those of the submitted hosts, and then of the LAN hosts.
func (p *plan) outcomes() []HostOutcome {
	all := make([]HostOutcome, len(p.targets))
	for i := range p.targets {
		t := &p.targets[i]
		if t.sameAs >= 0 {
			all[i] = all[t.sameAs]
			continue
		}
		all[i] = t.outcome
		if t.outcome.Err == nil {
			all[i].Records, all[i].Err = p.zones[t.work].records(t.from, t.to)
		}
	}
	return all
}

// records turns the results of one name into records and its first error.
func (w *zoneWork) records(from, to int) (records []Record, failure *Error) {
	records = make([]Record, 0, to-from)
	for i := from; i < to; i++ {
		r := &w.results[i]
		switch {
		case r.Err == nil:
			records = append(records, Record{
				Name: w.changes[i].Name, Type: w.changes[i].Type, Old: r.Old, New: r.New, TTL: r.TTL, Changed: r.Changed,
				Kept: w.changes[i].Action == zone.Keep, Proven: r.Proven,
			})
		case failure == nil:
			failure = dnsError(r.Err)
		}
	}
	return records, failure
}

// busyRetry is what a client is told to wait when a queue is full: about the
// time in which the slowest of the measured nameservers works one off.
const busyRetry = 10 * time.Second

// dnsError turns what a backend says into a refusal. Of an error that is no
// [zone.Error] the client is told nothing: it may quote a URL with a token.
func dnsError(err error) *Error {
	if own, ok := err.(*Error); ok { // of a move
		return own
	}
	var failed *zone.Error
	if !errors.As(err, &failed) || failed == nil {
		// Formatted, it cannot panic where the log quotes it.
		return &Error{Reason: zone.Unreachable, Message: "what changes the zone failed", Cause: fmt.Errorf("%v", err)}
	}
	known := *failed
	switch known.Reason {
	case zone.NameServer:
		return notGranted(known.Name)
	case zone.Busy:
		known.RetryAfter = cmp.Or(known.RetryAfter, busyRetry)
	case zone.Refused, zone.Timeout, zone.Conflict, zone.Invalid:
	default: // a word of its own would be one more in log and metrics
		known.Reason = zone.Unreachable
	}
	return &Error{Reason: known.Reason, Message: known.Error(), RetryAfter: known.RetryAfter, Cause: err}
}
