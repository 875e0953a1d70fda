package service

import "fmt"

// Result is what became of a request, of one of its names or of one record, the
// worse the greater. Reply, log, metrics, events and history take it from here,
// so that they never contradict each other.
type Result uint8

const (
	// Unchanged: nothing had to be written.
	Unchanged Result = iota
	// Deleted: a record was removed.
	Deleted
	// Updated: a record was written.
	Updated
	// Checked: a self-test found that the zone can be updated.
	Checked
	// Refused: the client has to mend something, or the records of the zone.
	Refused
	// Failed: the nameserver is in trouble, which the operator has to mend.
	Failed
)

// Results are the words for all of them, which [Result.String] returns.
var Results = [...]string{"unchanged", "deleted", "updated", "checked", "refused", "failed"}

func (r Result) String() string { return Results[r] }

// MarshalText writes the word.
func (r Result) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a word.
func (r *Result) UnmarshalText(text []byte) error {
	for i, word := range Results {
		if word == string(text) {
			*r = Result(i)
			return nil
		}
	}
	return fmt.Errorf("%q is no result", text)
}

// Result is the worst of what became of the names and zones of a request.
func (o *Outcome) Result() Result {
	if o.Err != nil {
		return resultOf(o.Err.Reason)
	}
	worst := Unchanged
	for h := range o.Names() {
		worst = max(worst, h.Result())
	}
	for i := range o.Checks {
		worst = max(worst, o.Checks[i].Result())
	}
	return worst
}

// Result is the worst of what became of the records of a name.
func (h *HostOutcome) Result() Result {
	worst := Unchanged
	if h.Err != nil {
		worst = resultOf(h.Err.Reason)
	}
	for i := range h.Records {
		worst = max(worst, h.Records[i].Result())
	}
	return worst
}

// Result is what became of a record that the nameserver confirmed.
func (r *Record) Result() Result {
	switch {
	case !r.Changed:
		return Unchanged
	case len(r.New) == 0:
		return Deleted
	}
	return Updated
}

// Result tells whether the zone can be updated; a warning does not keep it from that.
func (c *ZoneCheck) Result() Result {
	for i := range c.Steps {
		if c.Steps[i].Failed() {
			return Failed
		}
	}
	return Checked
}
