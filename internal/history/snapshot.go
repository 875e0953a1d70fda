package history

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/service"
)

// formatVersion is raised when an older reader would misunderstand the object.
const formatVersion = 2

// snapshot is the object of one instance as it stands in the storage.
type snapshot struct {
	Version int            `json:"version"`
	Hosts   []storedHost   `json:"hosts"`
	Latest  []storedLatest `json:"latest"`
}

// storedOrigin is an origin; the source is as much of the address as is kept.
type storedOrigin struct {
	Client string     `json:"client,omitempty"`
	Source netip.Addr `json:"source,omitzero"`
	Agent  string     `json:"agent,omitempty"`
}

type storedHost struct {
	Name        string         `json:"name"`
	First       int64          `json:"first"`
	Last        int64          `json:"last"`
	Changed     int64          `json:"changed,omitempty"`
	Submissions uint64         `json:"submissions"`
	Changes     uint64         `json:"changes,omitempty"`
	Failures    uint64         `json:"failures,omitempty"`
	Result      service.Result `json:"result"`
	storedOrigin
	Current map[string]storedCurrent `json:"current,omitempty"`
	Log     []byte                   `json:"log,omitempty"` // packed as in memory
}

type storedCurrent struct {
	Values []string `json:"values,omitempty"`
	At     int64    `json:"at"`
}

type storedLatest struct {
	At      int64          `json:"at"`
	Name    string         `json:"name"`
	Result  service.Result `json:"result"`
	Repeats uint64         `json:"repeats,omitempty"`
	Message string         `json:"message,omitempty"`
	Records []Change       `json:"records,omitempty"`
	storedOrigin
}

func (h *host) stored() storedHost {
	sh := storedHost{
		Name: h.name, First: h.first, Last: h.last, Changed: h.changed,
		Submissions: h.submissions, Changes: h.changes, Failures: h.failures, Result: h.lastResult,
		storedOrigin: h.origin.stored(), Log: h.log,
	}
	for i, c := range h.current {
		if c.at != 0 {
			if sh.Current == nil {
				sh.Current = make(map[string]storedCurrent, len(types))
			}
			sh.Current[types[i].String()] = storedCurrent{Values: c.values, At: c.at}
		}
	}
	return sh
}

func (o origin) stored() storedOrigin {
	return storedOrigin{Client: o.client, Source: o.source, Agent: o.agent}
}

func (o storedOrigin) origin() origin {
	return origin{client: cleanText(o.Client, maxAgent), source: network(o.Source), agent: cleanText(o.Agent, maxAgent)}
}

// encode writes the memory as a snapshot. The lock is held for a chunk of hosts
// at a time, so the snapshot is no picture of one instant; a host that moves
// meanwhile is in the next one.
func (s *Store) encode() ([]byte, error) {
	var b bytes.Buffer
	b.Grow(s.writer.size + s.writer.size/8) // doubling a large buffer would hold three times its size
	enc := json.NewEncoder(&b)
	fmt.Fprintf(&b, `{"version":%d,"hosts":[`, formatVersion)
	chunk := make([]host, 0, scanChunk)
	written := 0
	for start := 0; ; start += scanChunk {
		s.mu.Lock()
		end := min(start+scanChunk, len(s.slots))
		chunk = chunk[:0]
		for _, h := range s.slots[min(start, end):end] {
			chunk = append(chunk, *h)
		}
		s.mu.Unlock()
		if len(chunk) == 0 {
			break
		}
		for i := range chunk {
			if written > 0 {
				b.WriteByte(',')
			}
			if err := enc.Encode(chunk[i].stored()); err != nil {
				return nil, fmt.Errorf("encoding the history of a host: %w", err)
			}
			written++
		}
	}
	latest := s.submissions()
	b.WriteString(`],"latest":[`)
	written = 0
	for i := range latest {
		l := &latest[i]
		if l.At == 0 {
			continue // expired
		}
		if written > 0 {
			b.WriteByte(',')
		}
		err := enc.Encode(storedLatest{
			At: l.At, Name: l.Name, Result: l.Result, Repeats: l.Repeats,
			Message: l.Message, Records: l.Records, storedOrigin: l.origin.stored(),
		})
		if err != nil {
			return nil, fmt.Errorf("encoding the latest submissions: %w", err)
		}
		written++
	}
	b.WriteString(`]}`)
	return b.Bytes(), nil
}

// decode reads a snapshot that this or another instance wrote. It trusts
// nothing in it: the storage may be shared, old or damaged.
func decode(data []byte, now time.Time, maxHosts int) ([]host, []submission, error) {
	var snap snapshot
	if err := json.Unmarshal(data, &snap); err != nil {
		return nil, nil, fmt.Errorf("decoding a history object: %w", err)
	}
	if snap.Version != formatVersion {
		return nil, nil, fmt.Errorf("the history object has version %d, this program reads %d", snap.Version, formatVersion)
	}
	hosts := make([]host, 0, min(len(snap.Hosts), maxHosts))
	for i := range snap.Hosts[:min(len(snap.Hosts), maxHosts)] {
		h, err := snap.Hosts[i].host(now)
		if err != nil {
			return nil, nil, err
		}
		hosts = append(hosts, h)
	}
	latest := make([]submission, 0, min(len(snap.Latest), maxLatest))
	for i := range snap.Latest[:min(len(snap.Latest), maxLatest)] {
		l := &snap.Latest[i]
		if !usableName(l.Name) {
			return nil, nil, errors.New("the history object has a submission without a usable name")
		}
		latest = append(latest, submission{
			At: clampTime(l.At, now), Name: l.Name, origin: l.origin(), Result: l.Result, Repeats: l.Repeats,
			Message: cleanText(l.Message, maxMessage), Records: l.Records[:min(len(l.Records), len(types))],
		})
	}
	return hosts, latest, nil
}

// usableName checks what a name is shown as. RFC 1035 allows 253 characters and
// the final dot.
func usableName(s string) bool {
	return len(s) > 0 && len(s) <= 254 && cleanText(s, len(s)) == s && !strings.Contains(s, " ")
}

func (sh *storedHost) host(now time.Time) (host, error) {
	if !usableName(sh.Name) {
		return host{}, errors.New("the history object has a host without a usable name")
	}
	if _, ok := unpack(sh.Log); !ok {
		return host{}, errors.New("the history object has a damaged log of changes")
	}
	h := host{
		name: sh.Name, origin: sh.origin(), log: joinLog(sh.Log, nil), lastResult: sh.Result,
		first: clampTime(sh.First, now), last: clampTime(sh.Last, now), changed: clampTime(sh.Changed, now),
		submissions: sh.Submissions, changes: sh.Changes, failures: sh.Failures,
	}
	for i, t := range types {
		if c, ok := sh.Current[t.String()]; ok {
			h.current[i] = current{values: shorten(c.Values), at: clampTime(c.At, now)}
		}
	}
	return h, nil
}

// clampTime takes a time in the future, from a clock that ran ahead, for now.
func clampTime(seconds int64, now time.Time) int64 {
	return min(max(seconds, 0), now.Unix())
}

// merge adds what another instance, or an earlier run, knows of the same host.
func (h *host) merge(o *host) {
	h.submissions += o.submissions
	h.changes += o.changes
	h.failures += o.failures
	h.first = min(h.first, o.first)
	h.changed = max(h.changed, o.changed)
	if o.last > h.last {
		h.last, h.origin, h.lastResult = o.last, o.origin, o.lastResult
	}
	for i, c := range o.current {
		if c.at > h.current[i].at {
			h.current[i] = c
		}
	}
	h.log = mergeLogs(h.log, o.log)
}

// mergeLogs interleaves two logs by time.
func mergeLogs(a, b []byte) []byte {
	if len(a) == 0 || len(b) == 0 {
		return append(a[:len(a):len(a)], b...)
	}
	type packed struct {
		at  int64
		raw []byte
	}
	var all []packed
	for _, log := range [][]byte{a, b} {
		for len(log) > 0 {
			c, rest, ok := nextChange(log)
			if !ok {
				break
			}
			all = append(all, packed{c.At.Unix(), log[:len(log)-len(rest)]})
			log = rest
		}
	}
	slices.SortStableFunc(all, func(x, y packed) int { return cmp.Compare(x.at, y.at) })
	var merged []byte
	for _, p := range all[max(0, len(all)-maxChanges):] {
		merged = append(merged, p.raw...)
	}
	return merged
}
