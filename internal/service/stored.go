package service

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"

	"github.com/caddyserver/certmagic"
)

// StoredNameServers is a NameServerStore that keeps the nameservers of the zones in Caddy's storage, one
// object for each zone.
type StoredNameServers struct{ certmagic.Storage }

// LoadNameServers returns what was saved last, nothing if nothing was.
func (s StoredNameServers) LoadNameServers(ctx context.Context, zone string) ([]string, error) {
	data, err := s.Load(ctx, nameServerKey(zone))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	if err == nil {
		err = json.Unmarshal(data, &names)
	}
	return names, err
}

// SaveNameServers replaces what was saved.
func (s StoredNameServers) SaveNameServers(ctx context.Context, zone string, names []string) error {
	data, err := json.Marshal(names)
	if err != nil {
		return err
	}
	return s.Store(ctx, nameServerKey(zone), data)
}

func nameServerKey(zone string) string { return "dyndns/nameservers/" + zone + "json" }
