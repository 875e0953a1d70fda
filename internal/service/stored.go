package service

import (
	"context"
	"encoding/json"

	"github.com/caddy-dyndns/dyndns/internal/stored"
)

// StoredNameServers is a NameServerStore that keeps the nameservers of the zones in Caddy's storage, one
// object for each zone.
type StoredNameServers struct{ stored.Storage }

// LoadNameServers returns what was saved last, nothing if nothing was.
func (s StoredNameServers) LoadNameServers(ctx context.Context, zone string) ([]string, error) {
	data, err := stored.Load(ctx, s.Storage, nameServerKey(zone))
	if data == nil || err != nil {
		return nil, err
	}
	var names []string
	err = json.Unmarshal(data, &names)
	return names, err
}

// SaveNameServers replaces what was saved.
func (s StoredNameServers) SaveNameServers(ctx context.Context, zone string, names []string) error {
	return stored.Store(ctx, s.Storage, nameServerKey(zone), names)
}

func nameServerKey(zone string) string { return "dyndns/nameservers/" + zone + "json" }
