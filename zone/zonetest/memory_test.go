package zonetest

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-dyndns/dyndns/zone"
)

const apex = "dyn.example.com."

// memory is a zone that does what the contract says, but for its mutation.
type memory struct {
	mutation string
	mu       sync.Mutex
	sets     map[string]set
	serial   uint32
}

type set struct {
	values []string
	ttl    uint32
}

func (m *memory) Apply(ctx context.Context, changes []zone.Change) []zone.Result {
	results := make([]zone.Result, len(changes))
	spoiled := make(map[string]bool)
	for i, c := range changes {
		if err := check(c); err != nil && m.mutation != "takes anything" {
			results[i].Err = &zone.Error{Reason: zone.Invalid, Zone: apex, Cause: err}
			spoiled[m.canonical(c.Name)] = m.mutation != "half a name"
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, c := range changes {
		name := m.canonical(c.Name)
		switch {
		case results[i].Err != nil:
		case spoiled[name] || len(spoiled) > 0 && m.mutation == "one spoils all":
			results[i].Err = &zone.Error{Reason: zone.Invalid, Zone: apex}
		case ctx.Err() != nil && m.mutation != "no context":
			results[i].Err = &zone.Error{Reason: zone.Timeout, Zone: apex, Cause: ctx.Err()}
			if m.mutation == "goes on after the context" {
				m.apply(name+c.Type.String(), c)
			}
		case c.NotNameServer && strings.TrimPrefix(name, "_acme-challenge.") == "ns1."+apex && m.mutation != "nameservers":
			results[i].Err = &zone.Error{Reason: zone.NameServer, Zone: apex}
		default:
			results[i] = m.apply(name+c.Type.String(), c)
			if m.mutation == "knows nothing" {
				results[i].Err = &zone.Error{Reason: zone.Timeout, Zone: apex, Unknown: true}
			}
			m.yieldIf("one after the other")
		}
	}
	if m.mutation == "no results without success" && results[0].Err != nil {
		return nil
	}
	return results
}

// yieldIf lets others in, if that is the mutation.
func (m *memory) yieldIf(mutation string) {
	if m.mutation == mutation {
		m.mu.Unlock()
		runtime.Gosched()
		m.mu.Lock()
	}
}

func (m *memory) apply(id string, c zone.Change) zone.Result {
	before := m.sets[id]
	met := c.Expect == nil || slices.Equal(normal(c.Expect), before.values)
	switch m.mutation {
	case "no expectation":
		c.Expect = nil
	case "expects nothing never":
		if len(c.Expect) == 0 {
			c.Expect = nil
		}
	case "expects a part":
		if len(c.Expect) > 0 && !slices.ContainsFunc(c.Expect, func(v string) bool { return !slices.Contains(before.values, v) }) {
			c.Expect = nil
		}
	case "expects too early":
		if met && c.Expect != nil {
			c.Expect = nil
			m.yieldIf("expects too early")
			before = m.sets[id]
		}
	case "add replaces":
		if c.Action == zone.Add {
			c.Action = zone.Set
		}
	case "remove deletes":
		if c.Action == zone.Remove {
			c.Action = zone.Delete
		}
	case "remove ignores the value":
		if c.Action == zone.Remove && len(before.values) == 1 {
			c.Action = zone.Delete
		}
	case "cuts a long text":
		if len(c.Values) > 0 && len(c.Values[0]) > 255 {
			c.Values = []string{c.Values[0][:255]}
		}
	}
	m.yieldIf("loses races")
	after := set{step(before.values, c), before.ttl}
	if met && (c.Action == zone.Set || c.Action == zone.Add && m.mutation != "add keeps the TTL") && m.mutation != "no TTL" {
		after.ttl = c.TTL
	}
	if met && c.Action == zone.Remove && m.mutation == "remove sets the TTL" {
		after.ttl = c.TTL
	}
	switch {
	case m.mutation == "keeps twins" && met && c.Action == zone.Set:
		after.values = slices.Sorted(slices.Values(c.Values))
	case m.mutation == "keeps the order" && met && c.Action == zone.Set:
		after.values = slices.Clone(c.Values)
	case m.mutation == "keeps the caller's slice" && met && c.Action == zone.Set && len(c.Values) == 1:
		after.values = c.Values
	case m.mutation == "uses slices again" && len(after.values) <= len(before.values):
		after.values, before.values = append(before.values[:0], after.values...), slices.Clone(before.values)
	}
	if len(after.values) == 0 {
		after = set{}
	}
	changed := !slices.Equal(before.values, after.values) || before.ttl != after.ttl && m.mutation != "a TTL is no change" || m.mutation == "always changed" && c.Action == zone.Set
	if m.mutation != "writes nothing" && (changed || m.mutation != "a TTL is no change") {
		m.sets[id] = after
	}
	if changed || m.mutation == "writes what is unchanged" {
		m.serial++
	}
	if m.mutation == "forgets the old" {
		before.values = nil
	}
	return zone.Result{Old: before.values, New: after.values, TTL: after.ttl, Changed: changed, Proven: m.mutation != "no proof"}
}

// Values returns the values of an RRset.
func (m *memory) Values(name string, t zone.Type) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sets[m.canonical(name)+t.String()].values, nil
}

// Serial returns the number of writes.
func (m *memory) Serial() (uint32, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.serial, nil
}

func (m *memory) NameServers(context.Context) (zone.NameServers, error) {
	return zone.NameServers{Names: []string{"ns1." + apex}, Proven: m.mutation != "no proof"}, nil
}

func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) + "." }

func (m *memory) canonical(name string) string {
	if m.mutation == "case matters" {
		return strings.TrimSuffix(name, ".") + "."
	}
	return canonical(name)
}

func check(c zone.Change) error {
	name := canonical(c.Name)
	if name != apex && !strings.HasSuffix(name, "."+apex) || strings.Contains(name, "..") {
		return errors.New("name")
	}
	if c.Action < zone.Keep || c.Action > zone.Remove || c.TTL > 1<<31-1 {
		return errors.New("action or TTL")
	}
	needs := c.Action == zone.Set || c.Action == zone.Add || c.Action == zone.Remove
	if needs && len(c.Values) == 0 {
		return errors.New("no value")
	}
	for _, v := range slices.Concat(c.Values, c.Expect) {
		a, err := netip.ParseAddr(v)
		switch c.Type {
		case zone.TypeA, zone.TypeAAAA:
			if err != nil || a.Zone() != "" || a.Is4() != (c.Type == zone.TypeA) {
				return errors.New("address")
			}
		case zone.TypeTXT:
			if len(v) > 4096 {
				return errors.New("text")
			}
		case zone.TypeHTTPS:
			if len(strings.Fields(v)) < 2 || strings.Contains(v, "\n") {
				return errors.New("parameters")
			}
		default:
			return errors.New("type")
		}
	}
	return nil
}

const mutationVariable = "ZONETEST_MUTATION"

// TestMemory runs the suite against a zone that keeps the contract, or does not keep
// it in one point if the variable names that.
func TestMemory(t *testing.T) {
	m := &memory{mutation: os.Getenv(mutationVariable), sets: make(map[string]set)}
	fresh := func(testing.TB) zone.Zone { return m }
	if m.mutation == "own sight" {
		fresh = func(testing.TB) zone.Zone { return &memory{sets: make(map[string]set)} }
	}
	Run(t, Config{Name: apex, Open: fresh, Proven: true, View: m})
}

// TestUnproven runs the suite against a zone that claims no proof, and without a view.
func TestUnproven(t *testing.T) {
	m := &memory{mutation: "no proof", sets: make(map[string]set)}
	Run(t, Config{Name: apex, Open: func(testing.TB) zone.Zone { return m }})
}

// TestMutations shows that the suite notices what a backend does wrong.
func TestMutations(t *testing.T) {
	for _, test := range []struct {
		mutation string
		// caught is the test that has to fail.
		caught string
	}{
		{"always changed", "changes"},
		{"forgets the old", "changes"},
		{"writes nothing", "changes"},
		{"writes what is unchanged", "changes"},
		{"no proof", "changes"},
		{"no TTL", "changes"},
		{"a TTL is no change", "changes"},
		{"keeps twins", "changes"},
		{"keeps the order", "changes"},
		{"case matters", "changes"},
		{"cuts a long text", "changes"},
		{"add replaces", "single values"},
		{"add keeps the TTL", "single values"},
		{"remove deletes", "single values"},
		{"remove ignores the value", "single values"},
		{"remove sets the TTL", "single values"},
		{"no expectation", "expectations"},
		{"expects nothing never", "expectations"},
		{"expects a part", "expectations"},
		{"half a name", "invalid changes"},
		{"one spoils all", "invalid changes"},
		{"takes anything", "invalid changes"},
		{"no results without success", "invalid changes"},
		{"nameservers", "names of nameservers"},
		{"no context", "contexts"},
		{"goes on after the context", "contexts"},
		{"keeps the caller's slice", "slices"},
		{"uses slices again", "slices"},
		{"own sight", "fresh sight"},
		{"loses races", "challenges side by side"},
		{"loses races", "histories"},
		{"expects too early", "histories"},
		{"knows nothing", "histories"},
		{"one after the other", "together"},
	} {
		t.Run(test.mutation, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run", "^TestMemory$")
			cmd.Env = append(os.Environ(), mutationVariable+"="+test.mutation)
			output, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(output), "--- FAIL: TestMemory/"+strings.ReplaceAll(test.caught, " ", "_")+" ") {
				t.Errorf("the test of %s finds nothing wrong: %s", test.caught, output)
			}
		})
	}
}
