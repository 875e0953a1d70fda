package zonetest

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"os/exec"
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
}

type set struct {
	values []string
	ttl    uint32
}

func (m *memory) Apply(ctx context.Context, changes []zone.Change) []zone.Result {
	results := make([]zone.Result, len(changes))
	spoiled := make(map[string]bool)
	for i, c := range changes {
		if err := check(c); err != nil {
			results[i].Err = &zone.Error{Reason: zone.Invalid, Zone: apex, Cause: err}
			spoiled[canonical(c.Name)] = m.mutation != "half a name"
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, c := range changes {
		switch name := canonical(c.Name); {
		case results[i].Err != nil:
		case spoiled[name]:
			results[i].Err = &zone.Error{Reason: zone.Invalid, Zone: apex}
		case ctx.Err() != nil && m.mutation != "no context":
			results[i].Err = &zone.Error{Reason: zone.Timeout, Zone: apex, Cause: ctx.Err()}
		case c.NotNameServer && strings.TrimPrefix(name, "_acme-challenge.") == "ns1."+apex && m.mutation != "nameservers":
			results[i].Err = &zone.Error{Reason: zone.NameServer, Zone: apex}
		default:
			results[i] = m.apply(name+c.Type.String(), c)
		}
	}
	return results
}

func (m *memory) apply(id string, c zone.Change) zone.Result {
	before := m.sets[id]
	if m.mutation == "no expectation" {
		c.Expect = nil
	}
	if m.mutation == "add replaces" && c.Action == zone.Add {
		c.Action = zone.Set
	}
	after := set{Step(before.values, c), before.ttl}
	met := c.Expect == nil || slices.Equal(sorted(c.Expect), before.values)
	if met && (c.Action == zone.Set || c.Action == zone.Add) && m.mutation != "no TTL" {
		after.ttl = c.TTL
	}
	if len(after.values) == 0 {
		after = set{}
	}
	m.sets[id] = after
	changed := !slices.Equal(before.values, after.values) || before.ttl != after.ttl || m.mutation == "always changed" && c.Action == zone.Set
	if m.mutation == "forgets the old" {
		before.values = nil
	}
	return zone.Result{Old: before.values, New: after.values, TTL: after.ttl, Changed: changed, Proven: m.mutation != "no proof"}
}

func (m *memory) NameServers(context.Context) (zone.NameServers, error) {
	return zone.NameServers{Names: []string{"ns1." + apex}, Proven: true}, nil
}

func sorted(values []string) []string {
	values = slices.Clone(values)
	slices.Sort(values)
	return slices.Compact(values)
}

func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) + "." }

func check(c zone.Change) error {
	name := canonical(c.Name)
	if !strings.HasSuffix(name, "."+apex) || strings.Contains(name, "..") {
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
			if len(strings.Fields(v)) < 2 {
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
	Run(t, Config{Name: apex, Open: fresh, Proven: true})
}

// TestMutations shows that the suite notices what a backend does wrong.
func TestMutations(t *testing.T) {
	for _, mutation := range []string{
		"half a name", "no context", "nameservers", "no expectation", "add replaces", "no TTL", "always changed", "forgets the old", "no proof", "own sight",
	} {
		t.Run(mutation, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run", "^TestMemory$")
			cmd.Env = append(os.Environ(), mutationVariable+"="+mutation)
			if output, err := cmd.CombinedOutput(); err == nil {
				t.Errorf("the suite finds nothing wrong: %s", output)
			}
		})
	}
}
