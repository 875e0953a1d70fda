package history

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/zone"
)

// maxChanges is how many changes of a host are kept.
const maxChanges = 20

// Change is one RRset before and after; no values mean that there was none.
type Change struct {
	At   time.Time `json:"at,omitzero"`
	Type string    `json:"type"`
	Old  []string  `json:"old"`
	New  []string  `json:"new"`
}

// Changed is false for the other family of a submission that changed one, and
// where the TTL alone was changed.
func (c Change) Changed() bool { return !slices.Equal(c.Old, c.New) }

// The log of a host is packed, oldest change first, because twenty changes as Go
// values would be 2.5 kB and a hundred thousand hosts have to fit. One change is
//
//	uint32   Unix seconds
//	uint8    index into types
//	values   old
//	values   new
//
// where values are a byte with their number and for each a byte with its length and
// the bytes of the address, or of the text.

// appendChange returns a new log with r at its end and at most maxChanges in it.
func appendChange(log []byte, at int64, r *service.Record) []byte {
	t := slices.Index(types[:], r.Type)
	if t < 0 {
		return log
	}
	b := binary.BigEndian.AppendUint32(nil, uint32(at))
	b = append(b, uint8(t))
	for _, values := range [...][]string{shorten(r.Old), shorten(r.New)} {
		b = append(b, uint8(len(values)))
		for _, v := range values {
			raw := []byte(v)
			if a, err := netip.ParseAddr(v); err == nil && r.Type != zone.TypeTXT {
				raw = a.AsSlice()
			}
			b = append(append(b, uint8(len(raw))), raw...)
		}
	}
	changes, _ := split(log)
	return join(append(changes, b))
}

// readChange takes the first change off a log and, unless c is nil, unpacks it; it
// returns false if there is no whole one.
func readChange(log *cryptobyte.String, c *Change) bool {
	var at uint32
	var t, n uint8
	if !log.ReadUint32(&at) || !log.ReadUint8(&t) || int(t) >= len(types) {
		return false
	}
	values := [2][]string{{}, {}}
	for i := range values {
		if !log.ReadUint8(&n) {
			return false
		}
		for ; n > 0; n-- {
			var raw cryptobyte.String
			if !log.ReadUint8LengthPrefixed(&raw) {
				return false
			}
			if c == nil {
				continue
			}
			text := string(raw)
			if a, isAddr := netip.AddrFromSlice(raw); isAddr && types[t] != zone.TypeTXT {
				text = a.String()
			}
			values[i] = append(values[i], text)
		}
	}
	if c != nil {
		*c = Change{At: moment(int64(at)), Type: types[t].String(), Old: values[0], New: values[1]}
	}
	return true
}

// split returns the changes of a log, still packed; it returns false if there is
// more than whole ones.
func split(log []byte) (changes [][]byte, whole bool) {
	changes = make([][]byte, 0, maxChanges+1)
	for rest := cryptobyte.String(log); len(rest) > 0; {
		before := rest
		if !readChange(&rest, nil) {
			return changes, false
		}
		changes = append(changes, before[:len(before)-len(rest)])
	}
	return changes, true
}

// join returns a log of the last changes.
func join(changes [][]byte) []byte {
	return bytes.Join(changes[max(0, len(changes)-maxChanges):], nil)
}

// mergeLogs returns a log of the changes in two, each once.
func mergeLogs(a, b []byte) []byte {
	all, _ := split(a)
	more, _ := split(b)
	for _, change := range more {
		if !slices.ContainsFunc(all, func(known []byte) bool { return bytes.Equal(known, change) }) {
			all = append(all, change)
		}
	}
	slices.SortStableFunc(all, func(x, y []byte) int { return bytes.Compare(x[:4], y[:4]) }) // by time
	return join(all)
}
