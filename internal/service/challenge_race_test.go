package service

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/challenge"
	"github.com/caddy-dyndns/dyndns/zone"
)

// slowStorage takes a second to list and to delete.
type slowStorage struct{ *mapStorage }

func (s slowStorage) List(ctx context.Context, path string, recursive bool) ([]string, error) {
	keys, err := s.mapStorage.List(ctx, path, recursive)
	time.Sleep(time.Second)
	return keys, err
}

func (s slowStorage) Delete(ctx context.Context, key string) error {
	time.Sleep(time.Second)
	return s.mapStorage.Delete(ctx, key)
}

const homeChallenge = "_acme-challenge.home.dyn.test."

// wishFor has a client ask for a challenge of home.dyn.test and returns what is wrong.
func (f *fixture) wishFor(t *testing.T, client string, w Wish) *Error {
	t.Helper()
	return f.do(t, client, Submission{Hosts: []Host{{Name: "home.dyn.test", Challenge: w}}}).Hosts[0].Err
}

// noted returns the values that are noted at home.dyn.test, oldest first.
func (f *fixture) noted(t *testing.T) (texts []string) {
	t.Helper()
	values, err := f.Challenges.At(t.Context(), "dyn.test.", homeChallenge)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range values {
		texts = append(texts, v.Text)
	}
	return texts
}

func slow(c *Config) { c.Challenges.Storage = slowStorage{new(mapStorage)} }

// However many come at once, no more stand at a name than may.
func TestManyChallengesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, slow)
		var all sync.WaitGroup
		for n := range 3 * challenge.MaxValues {
			all.Go(func() { _ = f.wishFor(t, "exact", text(zone.Add, false, n)) })
		}
		all.Wait()
		if got := f.dyn.get(homeChallenge, zone.TypeTXT); len(got) != challenge.MaxValues {
			t.Errorf("%d values stand, want %d", len(got), challenge.MaxValues)
		}
		if got := f.noted(t); len(got) != challenge.MaxValues {
			t.Errorf("%d values are noted, want %d", len(got), challenge.MaxValues)
		}
	})
}

// A request with several names and one with the same in another order end both.
func TestChallengesInOtherOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, slow)
		var all sync.WaitGroup
		for n, hosts := range [][]string{{"home.dyn.test", "office.dyn.test"}, {"office.dyn.test", "HOME.dyn.test", "home.dyn.test"}} {
			var sub Submission
			for _, name := range hosts {
				sub.Hosts = append(sub.Hosts, Host{Name: name, Challenge: text(zone.Add, false, n)})
			}
			all.Go(func() {
				for _, h := range f.do(t, "exact", sub).Hosts {
					if h.Err != nil {
						t.Errorf("%s: %v", h.Name, h.Err)
					}
				}
			})
		}
		all.Wait()
	})
}

// A value that is added again while it is removed is either gone or noted.
func TestChallengeBesideItsRemoval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, slow)
		if err := f.wishFor(t, "exact", text(zone.Add, false, 1)); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		all.Go(func() { _ = f.wishFor(t, "exact", text(zone.Remove, false, 1)) })
		time.Sleep(time.Millisecond)
		all.Go(func() { _ = f.wishFor(t, "exact", text(zone.Add, false, 1)) })
		all.Wait()
		if stands, noted := f.dyn.get(homeChallenge, zone.TypeTXT), f.noted(t); len(stands) != 1 || !slices.Equal(stands, noted) {
			t.Errorf("%q stand, %q are noted", stands, noted)
		}
	})
}

// A value that is added again while others are swept is as good as new.
func TestChallengeBesideSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, slow)
		for _, n := range []int{1, 2} {
			if err := f.wishFor(t, "exact", text(zone.Add, false, n)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(challenge.Lifetime + time.Minute)
		var all sync.WaitGroup
		all.Go(func() { f.SweepChallenges(t.Context(), time.Now()) })
		time.Sleep(1500 * time.Millisecond) // the first is being forgotten
		if err := f.wishFor(t, "exact", text(zone.Add, false, 2)); err != nil {
			t.Fatal(err)
		}
		all.Wait()
		want := []string{digest(2)}
		if stands, noted := f.dyn.get(homeChallenge, zone.TypeTXT), f.noted(t); !slices.Equal(stands, want) || !slices.Equal(noted, want) {
			t.Errorf("%q stand, %q are noted, want %q", stands, noted, want)
		}
	})
}

// What was surely not added takes no place and is not swept: somebody else may have it
// there.
func TestRefusedChallenge(t *testing.T) {
	f := newFixture(t)
	if err := f.wishFor(t, "exact", text(zone.Add, false, 0)); err != nil {
		t.Fatal(err)
	}
	f.dyn.err = &zone.Error{Reason: zone.Conflict}
	for n := range challenge.MaxValues + 1 {
		if err := f.wishFor(t, "exact", text(zone.Add, false, n)); reason(err) != zone.Conflict {
			t.Errorf("value %d: %v", n, err)
		}
	}
	if got, want := f.noted(t), []string{digest(0)}; !slices.Equal(got, want) {
		t.Errorf("%q are noted, want %q", got, want)
	}
	f.dyn.err = &zone.Error{Reason: zone.Timeout, Unknown: true}
	_ = f.wishFor(t, "exact", text(zone.Add, false, 1))
	if got := f.noted(t); !slices.Contains(got, digest(1)) {
		t.Errorf("%q are noted without what may have been added", got)
	}
	tooShort := uint32(1)
	out := f.do(t, "exact", Submission{Hosts: []Host{
		{Name: "home.dyn.test", Challenge: text(zone.Add, false, 2)},
		{Name: "office.dyn.test", A: Wish{Action: zone.Delete, TTL: &tooShort}},
	}})
	if got := f.noted(t); out.Err == nil || slices.Contains(got, digest(2)) {
		t.Errorf("%q are noted with what a bad request asked for: %v", got, out.Err)
	}
}

// Values at a name that begins alike are not those of the name.
func TestChallengesOfNamesThatBeginAlike(t *testing.T) {
	f := newFixture(t)
	for n := range challenge.MaxValues {
		out := f.do(t, "below", Submission{Hosts: []Host{{Name: "home.dyn.test.x.dyn.test", Challenge: text(zone.Add, false, n)}}})
		if err := out.Hosts[0].Err; err != nil {
			t.Fatal(err)
		}
	}
	if err := f.wishFor(t, "exact", text(zone.Add, false, 0)); err != nil {
		t.Error(err)
	}
	if got, want := f.noted(t), []string{digest(0)}; !slices.Equal(got, want) {
		t.Errorf("%q are noted, want %q", got, want)
	}
}

// The values of one client are no leftovers of another that has the same host.
func TestRollingChallengesOfTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		for _, w := range []struct {
			client string
			wish   Wish
		}{
			{"exact", text(zone.Add, true, 1)}, {"exact", text(zone.Add, true, 2)},
			{"below", text(zone.Add, true, 3)}, {"below", text(zone.Add, true, 4)}, {"below", text(zone.Add, true, 5)},
		} {
			if err := f.wishFor(t, w.client, w.wish); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second) // which tells the values apart
		}
		check := func(want ...string) {
			t.Helper()
			if got := f.dyn.get(homeChallenge, zone.TypeTXT); !slices.Equal(got, want) {
				t.Errorf("%q stand, want %q", got, want)
			}
		}
		check(digest(1), digest(2), digest(4), digest(5))
		if err := f.wishFor(t, "below", text(zone.Remove, true)); err != nil {
			t.Fatal(err)
		}
		check(digest(1), digest(2))
	})
}
