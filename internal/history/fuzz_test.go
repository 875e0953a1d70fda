package history

import "testing"

func FuzzDecode(f *testing.F) {
	s := New(Config{})
	s.Record(entry(start, set("a.example.com.", "192.0.2.1", "192.0.2.2"), set("b.example.com.", "", "2001:db8::1")))
	good, err := s.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte(`{"version":2,"hosts":[{"name":"a.","log":"AAAAAA==","current":{"A":{"at":9}}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		hosts, latest, err := decode(data, start, 10)
		if err != nil {
			return
		}
		// What was accepted can be shown, saved and read again.
		s := New(Config{})
		s.absorb(hosts, latest)
		n := len(s.byName)
		again, err := s.encode()
		if err != nil {
			t.Fatal(err)
		}
		hosts, _, err = decode(again, start, 10)
		if err != nil || len(hosts) != n {
			t.Fatalf("%d of %d hosts: %v", len(hosts), n, err)
		}
		for _, h := range hosts {
			if e := h.export(); len(e.Log) > maxChanges {
				t.Fatalf("%d changes", len(e.Log))
			}
		}
	})
}
