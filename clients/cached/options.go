package cached

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/internal/directive"
	"github.com/caddy-dyndns/dyndns/internal/shared"
)

const (
	defaultAge   = 30 * time.Second
	defaultStale = 24 * time.Hour
)

// Options are what all guest modules with a memory have in common.
type Options struct {
	// How long a client is known without asking again: how long a revoked token lives on
	// other instances. Default: 30s.
	Cache caddy.Duration `json:"cache,omitempty"`

	// How long known clients go on beyond that while the source fails; negative: not at
	// all. Default: 24h.
	Stale caddy.Duration `json:"stale,omitempty"`
}

// UnmarshalWord reads a word of the options. It refuses any other; where begins that error.
func (o *Options) UnmarshalWord(d *caddyfile.Dispenser, where, word string) error {
	switch word {
	case "cache":
		return directive.Duration(d, word, &o.Cache)
	case "stale":
		return directive.DurationOrOff(d, word, &o.Stale)
	}
	return directive.Unknown(d, where)
}

// memoryKey is a memory among what is shared.
type memoryKey struct{ identity, zones string }

// sharedMemory is a memory with what it is of.
type sharedMemory struct {
	*Memory
	source string
}

// Open returns a source whose memory outlives the handler: two sources of the same
// identity, such as those of two generations of a reload, share it if their zones are the
// same. name and, where there are several of that name, source tell it from others.
func (o Options) Open(l *shared.Leases, name, source, identity string, config clients.Config, find Finder) (*Source, error) {
	if o.Cache < 0 {
		return nil, fmt.Errorf("cache: %v is negative", time.Duration(o.Cache))
	}
	memory, err := shared.Take(l, memoryKey{name + " " + identity, strings.Join(config.Zones(), " ")}, func() (sharedMemory, error) {
		return sharedMemory{New(), source}, nil
	})
	if err != nil {
		return nil, err
	}
	begin(name)
	return &Source{
		Name: name, Memory: memory.Memory, Find: find, Config: config,
		Age: cmp.Or(time.Duration(o.Cache), defaultAge), Stale: max(0, cmp.Or(time.Duration(o.Stale), defaultStale)),
	}, nil
}

// Forget has all memories of this process of a source forget these digests.
func Forget(source string, digests ...clients.Digest) {
	for _, m := range shared.All[sharedMemory]() {
		if m.source == source {
			m.Memory.Forget(digests...)
		}
	}
}

// Clear has all memories of this process of a source forget everything.
func Clear(source string) {
	for _, m := range shared.All[sharedMemory]() {
		if m.source == source {
			m.Memory.Clear()
		}
	}
}
