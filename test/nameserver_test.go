//go:build integration && linux

package test

import (
	"slices"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/test/nameserver"
)

const zone = "dyn.example.com."

// eachNameserver runs a test once per nameserver that serves the zones.
func eachNameserver(t *testing.T, config nameserver.Config, test func(*testing.T, *nameserver.Server)) {
	for _, kind := range append(slices.Clone(nameserver.Kinds), nameserver.YADIFA) {
		t.Run(string(kind), func(t *testing.T) { test(t, nameserver.Run(t, kind, config)) })
	}
}

func TestNameserver(t *testing.T) {
	key := nameserver.NewKey(zone)
	stranger := nameserver.NewKey("stranger.")
	config := nameserver.Config{
		Zones: []nameserver.Zone{{Name: zone, Key: key, Records: []string{"home 60 A 192.0.2.1"}}},
		Keys:  []nameserver.Key{stranger},
	}
	eachNameserver(t, config, func(t *testing.T, s *nameserver.Server) {
		before := s.MustSerial(t, zone)
		if got := s.MustLookup(t, "home."+zone, "A"); got != "192.0.2.1" {
			t.Errorf("home has A %q before any update", got)
		}
		if rcode := s.MustAdd(t, zone, "new."+zone+" 60 A 192.0.2.9", &stranger); rcode == "NOERROR" {
			t.Error("a key without rights may update")
		}
		if rcode := s.MustAdd(t, zone, "new."+zone+" 77 A 192.0.2.2", &key); rcode != "NOERROR" {
			t.Fatalf("the update was answered %s", rcode)
		}
		if after := s.MustSerial(t, zone); after != before+1 {
			t.Errorf("the update moved the serial from %d to %d", before, after)
		}

		s.Kill()
		if serial, err := s.Serial(zone); err == nil {
			t.Errorf("a killed server answers with serial %d", serial)
		}
		s.MustRestart(t)
		if got := s.MustLookup(t, "new."+zone, "A"); got != "192.0.2.2" {
			t.Errorf("after kill and restart new has A %q", got)
		}
		if ttl, err := s.TTL("new."+zone, "A"); err != nil || ttl != 77 {
			t.Errorf("after kill and restart new has TTL %d (%v)", ttl, err)
		}

		s.Stop()
		answered := make(chan error, 1)
		go func() {
			_, err := s.Serial(zone)
			answered <- err
		}()
		select {
		case err := <-answered:
			t.Errorf("a stopped server answers (%v)", err)
		case <-time.After(200 * time.Millisecond):
		}
		s.Continue()
		if got := s.MustLookup(t, "new."+zone, "A"); got != "192.0.2.2" {
			t.Errorf("after stop and continue new has A %q", got)
		}

		s.Close()
		s.MustRestart(t)
		if got := s.MustLookup(t, "new."+zone, "A"); got != "192.0.2.2" {
			t.Errorf("after a regular restart new has A %q", got)
		}
	})
}

func TestNameserverOptions(t *testing.T) {
	key := nameserver.NewKey(zone)
	t.Run("limited key", func(t *testing.T) {
		for _, kind := range []nameserver.Kind{nameserver.BIND, nameserver.Knot} {
			t.Run(string(kind), func(t *testing.T) {
				s := nameserver.Run(t, kind, nameserver.Config{Zones: []nameserver.Zone{
					{Name: zone, Key: key, Only: []string{"home." + zone}},
				}})
				if rcode := s.MustAdd(t, zone, "fixed."+zone+" 60 A 192.0.2.1", &key); rcode == "NOERROR" {
					t.Error("a name outside the limits may be updated")
				}
				if rcode := s.MustAdd(t, zone, "home."+zone+" 60 A 192.0.2.1", &key); rcode != "NOERROR" {
					t.Errorf("a name inside them is answered %s", rcode)
				}
			})
		}
	})
	t.Run("max-zone-ttl", func(t *testing.T) {
		s := nameserver.Run(t, nameserver.BIND, nameserver.Config{Zones: []nameserver.Zone{
			{Name: zone, Key: key, MaxTTL: 3600},
		}})
		s.MustAdd(t, zone, "home."+zone+" 7200 A 192.0.2.1", &key)
		if ttl, err := s.TTL("home."+zone, "A"); err != nil || ttl != 3600 {
			t.Errorf("TTL %d (%v), want 3600", ttl, err)
		}
	})
	t.Run("signed", func(t *testing.T) {
		s := nameserver.Run(t, nameserver.BIND, nameserver.Config{Zones: []nameserver.Zone{
			{Name: zone, Key: key, Signed: true},
		}})
		if rcode := s.MustAdd(t, zone, "home."+zone+" 60 A 192.0.2.1", &key); rcode != "NOERROR" {
			t.Fatalf("the update was answered %s", rcode)
		}
		// The signed copy follows the zone; nothing tells when.
		await.True(t, "the zone to be signed", func() bool {
			return s.MustLookup(t, zone, "DNSKEY") != "" && s.MustLookup(t, "home."+zone, "A") == "192.0.2.1"
		})
	})
	t.Run("private view", func(t *testing.T) {
		s := nameserver.Run(t, nameserver.BIND, nameserver.Config{Zones: []nameserver.Zone{
			{Name: zone, Key: key, Private: true},
			{Name: zone, Records: []string{"home A 203.0.113.1"}},
		}})
		if rcode := s.MustAdd(t, zone, "home."+zone+" 60 A 192.0.2.1", &key); rcode != "NOERROR" {
			t.Fatalf("the update was answered %s", rcode)
		}
		if got := s.MustLookup(t, "home."+zone, "A"); got != "203.0.113.1" {
			t.Errorf("everybody sees %q", got)
		}
	})
}
