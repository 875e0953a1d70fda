package service

import (
	"context"
	"slices"
	"testing"

	"github.com/caddyserver/certmagic"
)

func TestNameServerStore(t *testing.T) {
	ctx := context.Background()
	storage := &certmagic.FileStorage{Path: t.TempDir()}
	s := StoredNameServers{storage}
	if names, err := s.LoadNameServers(ctx, "dyn.test."); names != nil || err != nil {
		t.Errorf("got %q, %v where nothing was saved", names, err)
	}
	for _, want := range [][]string{{"ns1.dyn.test."}, {"ns1.dyn.test.", "ns2.example.net."}, {}} {
		if err := s.SaveNameServers(ctx, "dyn.test.", want); err != nil {
			t.Fatal(err)
		}
		if names, err := s.LoadNameServers(ctx, "dyn.test."); err != nil || !slices.Equal(names, want) || names == nil {
			t.Errorf("got %q, %v, want %q", names, err, want)
		}
	}
	if names, err := s.LoadNameServers(ctx, "other.test."); names != nil || err != nil {
		t.Errorf("got %q, %v of another zone", names, err)
	}
	if err := storage.Store(ctx, nameServerKey("broken.test."), []byte("{")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.LoadNameServers(ctx, "broken.test."); err == nil {
		t.Error("no error for what is no JSON")
	}
}
