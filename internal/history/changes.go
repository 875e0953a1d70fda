package history

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/service"
)

// maxChanges is how many changes of a host are kept.
const maxChanges = 20

// maxSeconds is the end of the year 9999, the last that JSON can say.
const maxSeconds = 253402300799

// Change is one RRset before and after; no values mean that there was none.
type Change struct {
	At   time.Time `json:"at,omitzero"`
	Type string    `json:"type"`
	Old  []string  `json:"old"`
	New  []string  `json:"new"`
}

// The log of a host is packed, oldest change first, because twenty changes as Go
// values would be 2.5 kB and a hundred thousand hosts have to fit. One change is
//
//	uvarint  Unix seconds
//	byte     index into types
//	values   old
//	values   new
//
// where values are a byte with their number, then 4 bytes for each A, 16 for
// each AAAA, and a length byte and the text for each TXT.

// appendChange returns a new log with r at its end and at most maxChanges in it.
func appendChange(log []byte, at int64, r *service.Record) []byte {
	t := typeIndex(r.Type)
	if t < 0 {
		return log
	}
	var buf [128]byte
	added := binary.AppendUvarint(buf[:0], uint64(min(max(at, 0), maxSeconds)))
	added = append(added, byte(t))
	added = appendValues(added, t, r.Old)
	added = appendValues(added, t, r.New)
	return joinLog(log, added)
}

// joinLog appends whole changes to a log and drops the oldest beyond maxChanges.
func joinLog(log, added []byte) []byte {
	n := countChanges(log) + countChanges(added)
	for ; n > maxChanges && len(log) > 0; n-- {
		_, log, _ = nextChange(log)
	}
	joined := make([]byte, 0, len(log)+len(added))
	return append(append(joined, log...), added...)
}

func appendValues(b []byte, t int, values []string) []byte {
	count := len(b)
	b = append(b, 0)
	for _, v := range shorten(values) {
		switch t {
		case 0, 1:
			a, err := netip.ParseAddr(v)
			if err != nil || a.Is4() != (t == 0) {
				continue
			}
			b = append(b, a.AsSlice()...)
		default:
			b = append(append(b, byte(len(v))), v...)
		}
		b[count]++
	}
	return b
}

// nextChange unpacks the first change of a log and returns the rest; ok is
// false if there is no whole change.
func nextChange(log []byte) (c Change, rest []byte, ok bool) {
	seconds, n := binary.Uvarint(log)
	if n <= 0 || seconds > maxSeconds || len(log) <= n || int(log[n]) >= len(types) {
		return Change{}, nil, false
	}
	t := int(log[n])
	c = Change{At: time.Unix(int64(seconds), 0).UTC(), Type: types[t].String()}
	rest = log[n+1:]
	for _, values := range []*[]string{&c.Old, &c.New} {
		if *values, rest, ok = nextValues(rest, t); !ok {
			return Change{}, nil, false
		}
	}
	return c, rest, true
}

func nextValues(b []byte, t int) (values []string, rest []byte, ok bool) {
	if len(b) == 0 || b[0] > maxValues {
		return nil, nil, false
	}
	count := int(b[0])
	b = b[1:]
	values = make([]string, 0, count)
	for range count {
		size := [...]int{4, 16, 0}[t]
		if size == 0 {
			if len(b) == 0 {
				return nil, nil, false
			}
			size, b = int(b[0]), b[1:]
		}
		if len(b) < size {
			return nil, nil, false
		}
		if a, isAddr := netip.AddrFromSlice(b[:size]); isAddr && t < 2 {
			values = append(values, a.String())
		} else {
			values = append(values, string(b[:size]))
		}
		b = b[size:]
	}
	return values, b, true
}

func countChanges(log []byte) (n int) {
	for ok := true; len(log) > 0; n++ {
		if _, log, ok = nextChange(log); !ok {
			return n
		}
	}
	return n
}

// unpack returns the changes of a log, oldest first; ok is false if it is damaged.
func unpack(log []byte) (changes []Change, ok bool) {
	for len(log) > 0 {
		c, rest, ok := nextChange(log)
		if !ok {
			return changes, false
		}
		changes, log = append(changes, c), rest
	}
	return changes, true
}
