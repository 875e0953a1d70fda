package name

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestCompare(t *testing.T) {
	sorted := []string{
		"a.", "a01.", "a1.", "a2.", "a10.", "a10b2.", "a10b10.", "ab.", "cam-2.home.", "cam-10.home.", "cam.home.", "home.",
		"host-3.home.", "host1.home.", "host2.home.", "host10.home.", "host99999999999999999999.home.", "host100000000000000000000.home.",
	}
	got := slices.Clone(sorted)
	for range 100 {
		rand.Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
		if slices.SortFunc(got, Compare); !slices.Equal(got, sorted) {
			t.Fatalf("%q", got)
		}
	}
}
