package nameserver

import (
	"errors"
	"sync"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/zap"

	"github.com/caddy-dyndns/dyndns/internal/authority"
	"github.com/caddy-dyndns/dyndns/nameserver/internal/store"
)

// served is a zone as queries see it: what is on disk. The writer alone changes it.
type served struct {
	mu sync.RWMutex
	// config and data are nil until the zone is configured.
	config *configuration
	data   *authority.Zone
	// notifier tells the secondaries.
	notifier *notifier
}

func newServed(o Options) *served {
	z := new(served)
	z.notifier = newNotifier(z, o)
	return z
}

// name returns the zone's name.
func (z *served) name() (name string) {
	z.read(func(c *configuration, _ *authority.Zone) { name = c.name })
	return name
}

// read calls a function with the zone. The data must not be changed, and not be used
// afterwards but for its records.
func (z *served) read(f func(*configuration, *authority.Zone)) {
	z.mu.RLock()
	defer z.mu.RUnlock()
	f(z.config, z.data)
}

// publish shows changes.
func (z *served) publish(differences []authority.Difference) {
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, d := range differences {
		z.data.Store(d.RRset, d.After)
	}
	z.notifier.changed()
}

// configure makes a zone what its configuration and the file say. It writes to the file
// if the configuration is another than the last.
func (z *served) configure(c *configuration, file database, log *zap.Logger) error {
	kept, err := file.Load(c.name)
	if err != nil {
		return err
	}
	data := authority.NewZone(c.name)
	for _, rr := range c.static.All() {
		id := authority.RRset{Owner: rr.Header().Name, Type: rr.Header().Rrtype}
		data.Store(id, c.static.Records(id.Owner, id.Type))
	}
	for _, d := range kept.Changed {
		if c.hides(d.RRset) {
			log.Warn("the configured records of a name hide what was set at run time",
				zap.String("zone", c.name), zap.String("name", d.Owner), zap.String("type", dns.TypeToString[d.Type]))
			continue
		}
		data.Store(d.RRset, d.After)
	}
	serial := kept.Serial
	if serial == 0 || kept.Configuration != c.digest {
		if serial++; serial == 1 {
			// Secondaries of a zone whose file was lost have a serial that is hardly greater.
			serial = uint32(time.Now().Unix())
		}
		serial = max(1, serial) // as RaiseSerial
		if err := file.Configure(c.name, c.digest, serial); err != nil {
			return err
		}
	}
	soa := *data.SOA()
	soa.Serial = serial
	data.Store(authority.RRset{Owner: c.name, Type: dns.TypeSOA}, []dns.RR{&soa})
	z.mu.Lock()
	z.config, z.data = c, data
	z.mu.Unlock()
	return nil
}

// database is where changes are kept: a [store.Store].
type database interface {
	Load(zone string) (store.Zone, error)
	Configure(zone string, configuration store.Digest, serial uint32) error
	Commit([]store.Group) error
	Log(zone string, from, to uint32) ([]store.Entry, error)
	Probe() error
	Close() error
}

var errPanic = errors.New("a defect of this program was met, see the log")
