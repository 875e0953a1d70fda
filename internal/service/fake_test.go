package service

import (
	"context"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/internal/challenge"
	"github.com/caddy-dyndns/dyndns/internal/throttle"
	"github.com/caddy-dyndns/dyndns/zone"
)

// rrset is where a fake zone keeps values.
type rrset struct {
	name string
	kind zone.Type
}

// values are the values of an RRset and their TTL.
type values struct {
	values []string
	ttl    uint32
}

// fakeZone is a zone over a map.
type fakeZone struct {
	// servers and serversErr are what NameServers returns, unproven if so.
	servers    []string
	unproven   bool
	serversErr error
	// held, if not nil, holds NameServers up until it is closed.
	held chan struct{}
	// err fails every Apply, errs only the changes of a name.
	err  error
	errs map[string]error
	// between, if not nil, is called before each Apply, with the lock.
	between func()
	// check, if not nil, is called by Check.
	check func(context.Context)

	mu      sync.Mutex
	records map[rrset]values
	applied [][]zone.Change
}

func (z *fakeZone) Apply(_ context.Context, changes []zone.Change) []zone.Result {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.between != nil {
		z.between()
	}
	results := make([]zone.Result, len(changes))
	var sent []zone.Change
	for i, c := range changes {
		if results[i].Err = z.guard(c); results[i].Err == nil {
			sent = append(sent, c)
		}
	}
	if sent == nil {
		return results
	}
	z.applied = append(z.applied, sent)
	for i, c := range changes {
		if results[i].Err == nil {
			if results[i].Err = z.err; z.err == nil {
				results[i].Err = z.errs[c.Name]
			}
		}
		if results[i].Err == nil {
			results[i] = z.change(c)
		}
	}
	return results
}

// guard is what the engine says of a change that must not touch a nameserver's name.
func (z *fakeZone) guard(c zone.Change) error {
	switch {
	case !c.NotNameServer:
		return nil
	case z.serversErr != nil:
		return z.serversErr
	case slices.Contains(z.servers, c.Name):
		return &zone.Error{Reason: zone.NameServer, Name: c.Name}
	}
	return nil
}

func (z *fakeZone) change(c zone.Change) zone.Result {
	at := rrset{c.Name, c.Type}
	before := z.records[at]
	after := before
	switch action := c.Action; {
	case c.Expect != nil && !slices.Equal(c.Expect, before.values):
	case action == zone.Delete:
		after = values{}
	case action == zone.Add:
		all := slices.Concat(before.values, c.Values)
		slices.Sort(all)
		after = values{slices.Compact(all), c.TTL}
	case action == zone.Remove:
		after = values{slices.DeleteFunc(slices.Clone(before.values), func(v string) bool { return slices.Contains(c.Values, v) }), before.ttl}
	case action == zone.Set:
		after = values{slices.Sorted(slices.Values(c.Values)), c.TTL}
	}
	z.records[at] = after
	return zone.Result{
		Old: before.values, New: after.values, TTL: after.ttl,
		Changed: !slices.Equal(before.values, after.values) || before.ttl != after.ttl,
		Proven:  true,
	}
}

func (z *fakeZone) NameServers(context.Context) (zone.NameServers, error) {
	if z.held != nil {
		<-z.held
	}
	return zone.NameServers{Names: z.servers, Proven: !z.unproven}, z.serversErr
}

func (z *fakeZone) Check(ctx context.Context) []zone.CheckStep {
	if z.check != nil {
		z.check(ctx)
	}
	return []zone.CheckStep{{Name: "reachable"}, {Name: "key", Err: z.err}}
}

// seed puts an address or text into the zone.
func (z *fakeZone) seed(owner string, kind zone.Type, texts ...string) {
	z.records[rrset{owner, kind}] = values{texts, 300}
}

// get returns the values of an RRset.
func (z *fakeZone) get(owner string, kind zone.Type) []string {
	return z.records[rrset{owner, kind}].values
}

// fixture is a service over three fake zones, of which one lies in another.
type fixture struct {
	*Service
	dyn, deep, other *fakeZone
}

// token is the token of a client of the fixture.
func token(client string) string { return client + "-0123456789abcdef" }

// newFixture returns a service with one client for every kind of grant.
func newFixture(t *testing.T, adjust ...func(*Config)) *fixture {
	t.Helper()
	zone := func(apex string) *fakeZone {
		return &fakeZone{records: make(map[rrset]values), errs: make(map[string]error), servers: []string{"ns1." + apex}}
	}
	f := &fixture{dyn: zone("dyn.test."), deep: zone("deep.dyn.test."), other: zone("other.test.")}
	c := Config{
		Zones: []Zone{
			{Name: "dyn.test.", TTL: 300, Backend: f.dyn},
			{Name: "deep.dyn.test.", TTL: 60, Backend: f.deep},
			{Name: "other.test.", TTL: 300, Backend: f.other},
		},
		Throttle: throttle.New(),
		Checking: checking,
		Limit:    throttle.Limit{Burst: 3, Interval: 10 * time.Second},
		MinTTL:   60,
		MaxTTL:   86400,
		Timeout:  time.Minute,

		NameServers: new(memoryStore),
		Challenges:  &challenge.Notes{Storage: new(mapStorage)},
		Warn:        func(string, string, error) {},
	}
	specs := []clients.Spec{
		{Name: "secret", Tokens: []string{"12345678"}, Hosts: []string{"*"}, Unrestricted: true},
		{Name: "all", Hosts: []string{"*"}},
		{Name: "below", Hosts: []string{"*.dyn.test"}},
		{Name: "exact", Hosts: []string{"home.dyn.test", "home.deep.dyn.test", "office.dyn.test", "ns1.dyn.test", "dyn.test"}},
		{Name: "bare", Hosts: []string{"home.dyn.test"}, NoCertificates: true},
		{Name: "german", Hosts: []string{"müller.dyn.test", "24.dyn.test"}},
		{Name: "router", Hosts: []string{"router.dyn.test"}, LAN: []clients.LAN{
			{Name: "nas.dyn.test", InterfaceID: netip.MustParseAddr("::1:0:0:0:a")},
			{Name: "router.dyn.test", InterfaceID: netip.MustParseAddr("::1")},
			{Name: "cam.other.test", InterfaceID: netip.MustParseAddr("::b")},
		}},
		{Name: "gate", Hosts: []string{"gate.dyn.test"}, LAN: []clients.LAN{
			{Name: "gate.dyn.test", InterfaceID: netip.MustParseAddr("::1:0:0:0:c")},
		}},
	}
	for i := range specs {
		if specs[i].Tokens == nil {
			specs[i].Tokens = []string{token(specs[i].Name), token(specs[i].Name + "-old")}
		}
	}
	var err error
	c.Clients, err = clients.NewStatic(specs, clients.NewConfig([]string{"dyn.test.", "deep.dyn.test.", "other.test."}))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range adjust {
		a(&c)
	}
	f.Service = New(c)
	return f
}

// memoryStore is a NameServerStore over a map.
type memoryStore struct{ names sync.Map }

func (m *memoryStore) LoadNameServers(_ context.Context, zone string) ([]string, error) {
	names, _ := m.names.Load(zone)
	saved, _ := names.([]string)
	return saved, nil
}

func (m *memoryStore) SaveNameServers(_ context.Context, zone string, names []string) error {
	m.names.Store(zone, names)
	return nil
}

// client returns a client of the fixture by its name.
func (f *fixture) client(t *testing.T, name string) *clients.Client {
	t.Helper()
	secret := token(name)
	if name == "secret" {
		secret = "12345678"
	}
	client, err := f.Clients.FindClient(t.Context(), clients.DigestOf(secret))
	if client == nil || err != nil {
		t.Fatalf("there is no client %s: %v", name, err)
	}
	return client
}

// do carries out a submission for a client.
func (f *fixture) do(t *testing.T, client string, sub Submission) Outcome {
	t.Helper()
	return f.Do(context.Background(), f.client(t, client), sub)
}

// written returns how many messages the zones were sent.
func (f *fixture) written() int {
	return len(f.dyn.applied) + len(f.deep.applied) + len(f.other.applied)
}

// set is a wish for these values.
func set(texts ...string) Wish { return Wish{Action: zone.Set, Values: texts} }

// pointed is a host that wants 192.0.2.1.
func pointed(host string) Host { return Host{Name: host, A: set("192.0.2.1")} }

// reason returns that of an error, 0 if there is none.
func reason(err *Error) Reason {
	if err == nil {
		return ""
	}
	return err.Reason
}

// checking is shared by all fixtures, as by the handlers of a process.
var checking = make(chan struct{}, 1)

// mapStorage is Caddy's storage over a map.
type mapStorage struct {
	sync.Mutex
	objects sync.Map
}

func (m *mapStorage) Lock(context.Context, string) error   { m.Mutex.Lock(); return nil }
func (m *mapStorage) Unlock(context.Context, string) error { m.Mutex.Unlock(); return nil }

func (m *mapStorage) Store(_ context.Context, key string, value []byte) error {
	m.objects.Store(key, value)
	return nil
}

func (m *mapStorage) Load(_ context.Context, key string) ([]byte, error) {
	value, ok := m.objects.Load(key)
	if !ok {
		return nil, fs.ErrNotExist
	}
	return value.([]byte), nil
}

func (m *mapStorage) Delete(_ context.Context, key string) error {
	m.objects.Delete(key)
	return nil
}

// List takes the path for a prefix, as object stores do.
func (m *mapStorage) List(_ context.Context, path string, _ bool) (keys []string, _ error) {
	m.objects.Range(func(key, _ any) bool {
		if strings.HasPrefix(key.(string), path) {
			keys = append(keys, key.(string))
		}
		return true
	})
	return keys, nil
}
