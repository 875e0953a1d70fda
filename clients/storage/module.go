package storage

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/clients/cached"
	"github.com/caddy-dyndns/dyndns/internal/directive"
	"github.com/caddy-dyndns/dyndns/internal/redact"
	"github.com/caddy-dyndns/dyndns/internal/shared"
)

func init() {
	caddy.RegisterModule(new(Module))
}

// Module finds clients in Caddy's storage, where the admin API at `/dyndns/clients` and the
// command `caddy dyndns-client` manage them, without a reload and for all instances that
// share the storage.
type Module struct {
	// What the keys of all objects begin with. Default: `dyndns`.
	Namespace string `json:"namespace,omitempty"`

	cached.Options

	storage certmagic.Storage
	leases  shared.Leases
	tracker sync.WaitGroup
	stop    context.CancelFunc // ends the tracker
}

// CaddyModule returns the Caddy module information.
func (*Module) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.dyndns.clients.storage",
		New: func() caddy.Module { return new(Module) },
	}
}

// UnmarshalCaddyfile sets up the module from Caddyfile tokens. Syntax:
//
//	storage [<namespace>] {
//		cache <duration>
//		stale <duration>|off
//	}
func (m *Module) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		m.Namespace = d.Val()
	}
	if err := directive.Last(d, "clients storage"); err != nil {
		return err
	}
	const where = "clients storage: "
	return directive.Block(d, where, func(word string) error { return m.UnmarshalWord(d, where, word) })
}

// Provision takes the storage of the configuration.
func (m *Module) Provision(ctx caddy.Context) error {
	m.storage = ctx.Storage()
	return nil
}

// DefaultNamespace is where clients are if no other namespace is configured.
const DefaultNamespace = "dyndns"

var namespaceRule = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// OpenClients implements [clients.Opener]. It does not use the storage.
func (m *Module) OpenClients(config clients.Config) (clients.Source, error) {
	namespace := cmp.Or(m.Namespace, DefaultNamespace)
	if !namespaceRule.MatchString(namespace) {
		return nil, fmt.Errorf("namespace: %s has other characters than letters, digits, _ and -", redact.Word(namespace))
	}
	source := "storage " + namespace
	store := &Store{Storage: m.storage, Namespace: namespace, Forget: func(digests ...clients.Digest) { cached.Forget(source, digests...) }}
	opened := &Open{Store: store, Config: config, number: opens.Add(1)}
	if _, err := shared.Take(&m.leases, opened, func() (*Open, error) { return opened, nil }); err != nil {
		return nil, err
	}
	opening, err := m.Options.Open(&m.leases, "storage", source, namespace+" "+identity(m.storage), config, store.Find)
	if err != nil {
		return nil, err
	}
	seen := &tracker{store: store}
	opening.Saw = seen.saw
	var ctx context.Context
	ctx, m.stop = context.WithCancel(context.Background())
	m.tracker.Go(func() {
		seen.run(ctx, func(err error) {
			caddy.Log().Named("http.handlers.dyndns").Warn("cannot note which clients ask; updates are not affected", zap.Error(err))
		})
	})
	return rotating{opening, opened}, nil
}

// rotating is a source whose clients can have new tokens.
type rotating struct {
	clients.Source
	*Open
}

// RotateTokens implements [clients.Rotator].
func (s rotating) RotateTokens(ctx context.Context, client string, othersExpire time.Time) (string, error) {
	token, _, _, err := s.Store.AddToken(ctx, client, Condition{}, NewToken{OthersExpire: othersExpire})
	if err == nil {
		s.Changed(client, "token_added")
	}
	return token, err
}

// identity returns what tells a storage from others, over reloads, which make a new one of
// the same configuration. One whose configuration cannot be seen is like no other.
func identity(s certmagic.Storage) string {
	config, err := json.Marshal(s)
	if err != nil || len(config) <= len("{}") {
		return fmt.Sprintf("%T %p", s, s)
	}
	return fmt.Sprintf("%T %s", s, config)
}

// Cleanup gives back what OpenClients took.
func (m *Module) Cleanup() error {
	if m.stop != nil {
		m.stop()
		m.tracker.Wait()
	}
	return m.leases.Release()
}

// Open is a store that a handler has at present.
type Open struct {
	Store  *Store
	Config clients.Config
	number uint64
}

// Changed tells the handler what somebody changed of a client.
func (o *Open) Changed(client, change string) {
	if o.Config.Changed != nil {
		o.Config.Changed(client, change)
	}
}

var opens atomic.Uint64

// Opened returns the stores that handlers have at present, by namespace. Where several
// handlers have one, all are listed, the newest first.
func Opened() map[string][]*Open {
	all := make(map[string][]*Open)
	for _, o := range shared.All[*Open]() {
		all[o.Store.Namespace] = append(all[o.Store.Namespace], o)
	}
	for _, same := range all {
		slices.SortFunc(same, func(a, b *Open) int { return cmp.Compare(b.number, a.number) })
	}
	return all
}

// Interface guards
var (
	_ caddy.Provisioner     = (*Module)(nil)
	_ caddy.CleanerUpper    = (*Module)(nil)
	_ caddyfile.Unmarshaler = (*Module)(nil)
	_ clients.Opener        = (*Module)(nil)
)
