package name

import (
	"strings"
	"testing"
)

func TestParent(t *testing.T) {
	tests := []struct {
		in, want string
		ok       bool
	}{
		{"a.b.test.", "b.test.", true},
		{"*.test.", "test.", true},
		{"test.", "", false},
		{"", "", false},
	}
	for _, tt := range tests {
		if got, ok := Parent(tt.in); got != tt.want || ok != tt.ok {
			t.Errorf("Parent(%q) = %q, %v", tt.in, got, ok)
		}
	}
}

func TestZones(t *testing.T) {
	zones := NewZones([]string{"a.dyn.test.", "dyn.test.", "x.y.example.", "lan."})
	tests := []struct {
		name, in, zone string
		reaches        bool
	}{
		{"below", "home.dyn.test.", "dyn.test.", true},
		{"deep below", "a.b.c.dyn.test.", "dyn.test.", true},
		{"apex", "dyn.test.", "dyn.test.", true},
		{"longest wins", "home.a.dyn.test.", "a.dyn.test.", true},
		{"wildcard", "*.dyn.test.", "dyn.test.", true},
		{"label boundary", "notdyn.test.", "", false},
		{"label boundary of the inner zone", "xa.dyn.test.", "dyn.test.", true},
		{"above", "test.", "", true},
		{"between", "y.example.", "", true},
		{"beside", "z.example.", "", false},
		{"one label", "lan.", "lan.", true},
		{"empty", "", "", false},
		{"dot", ".", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if zone, ok := zones.Of(tt.in); zone != tt.zone || ok != (tt.zone != "") {
				t.Errorf("Of(%q) = %q, %v, want %q", tt.in, zone, ok, tt.zone)
			}
			if got := zones.Reaches(tt.in); got != tt.reaches {
				t.Errorf("Reaches(%q) = %v", tt.in, got)
			}
		})
	}
	if zone, ok := (Zones{}).Of("home.dyn.test."); ok {
		t.Errorf("no zones: Of = %q", zone)
	}
}

func FuzzZones(f *testing.F) {
	f.Add("home.dyn.test", "dyn.test", "test")
	f.Add("notdyn.test", "dyn.test", "a.b.c")
	f.Add("*.a.b", "a.b", "b")
	f.Fuzz(func(t *testing.T, host, zone1, zone2 string) {
		h, err := Normalize(host)
		if err != nil {
			return
		}
		want := ""
		var names []string
		for _, zone := range []string{zone1, zone2} {
			z, err := Zone(zone)
			if err != nil {
				continue
			}
			names = append(names, z)
			if strings.HasSuffix("."+h, "."+z) && len(z) > len(want) {
				want = z
			}
		}
		if got, ok := NewZones(names).Of(h); got != want || ok != (want != "") {
			t.Errorf("zones %q: Of(%q) = %q, %v, want %q", names, h, got, ok, want)
		}
	})
}
