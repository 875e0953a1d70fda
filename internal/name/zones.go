package name

import "strings"

// Parent returns name without its first label; false if that was the last.
func Parent(name string) (string, bool) {
	_, parent, _ := strings.Cut(name, ".")
	return parent, parent != ""
}

// Zones finds the zone of a name.
type Zones struct {
	// names holds every zone as true, and the names above zones as false.
	names map[string]bool
}

// NewZones returns the set of these zones, whose names are absolute.
func NewZones(zones []string) Zones {
	names := make(map[string]bool)
	for _, zone := range zones {
		names[zone] = true
		for above, ok := Parent(zone); ok; above, ok = Parent(above) {
			if !names[above] {
				names[above] = false
			}
		}
	}
	return Zones{names}
}

// Of returns the longest zone that name lies in, on a label boundary.
func (z Zones) Of(name string) (zone string, ok bool) {
	for zone, ok = name, name != ""; ok; zone, ok = Parent(zone) {
		if z.names[zone] {
			return zone, true
		}
	}
	return "", false
}

// Reaches tells whether name lies in a zone or above one: whether some names
// below it can be changed.
func (z Zones) Reaches(name string) bool {
	if _, above := z.names[name]; above {
		return true
	}
	_, in := z.Of(name)
	return in
}
