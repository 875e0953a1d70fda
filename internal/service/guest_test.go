package service

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/zone"
)

// resultsZone answers every Apply with these results.
type resultsZone []zone.Result

func (z resultsZone) Apply(context.Context, []zone.Change) []zone.Result { return z }

// Where the results are not as many as the changes, nobody can tell which is whose.
func TestNumberOfResults(t *testing.T) {
	done := zone.Result{New: []string{"192.0.2.1"}, TTL: 300, Changed: true, Proven: true}
	tests := []struct {
		name    string
		results resultsZone
		failed  bool
	}{
		{"none", nil, true},
		{"fewer", resultsZone{done}, true},
		{"as many", resultsZone{done, done}, false},
		{"more", resultsZone{done, done, done}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			warned := 0
			f := newFixture(t, func(c *Config) {
				c.Zones[2].Backend = tt.results
				c.Warn = func(_, zone string, err error) {
					if zone == "other.test." && strings.Contains(err.Error(), "results for 2 changes") {
						warned++
					}
				}
			})
			out := f.do(t, "all", Submission{Hosts: []Host{pointed("a.other.test"), pointed("home.dyn.test"), pointed("b.other.test")}})
			if err := out.Hosts[1].Err; err != nil {
				t.Errorf("the other zone: %v", err)
			}
			for _, i := range []int{0, 2} {
				h := &out.Hosts[i]
				var failed *zone.Error
				unknown := h.Err != nil && errors.As(h.Err.Cause, &failed) && failed.Unknown && failed.Name == h.Name
				if (reason(h.Err) == zone.Unreachable) != tt.failed || unknown != tt.failed || (len(h.Records) == 0) != tt.failed {
					t.Errorf("%s: got %+v", h.Name, h)
				}
			}
			if (warned == 1) != tt.failed || warned > 1 {
				t.Errorf("%d warnings", warned)
			}
		})
	}
}
