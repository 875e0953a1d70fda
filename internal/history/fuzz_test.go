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
	f.Add([]byte(`{"Host":{"Name":"a.","Log":"AAAAAA==","Held":[{"At":9}]}}` + "\n" + `{"Line":{"ID":1,"name":"a."}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := New(Config{MaxHosts: 10})
		_ = s.decode(data, start)
		// What was accepted can be shown, saved and read again.
		hosts, n := s.Hosts(nil, 0, 10)
		_, lines := s.Latest(nil, 0, 10)
		for _, h := range hosts {
			if whole, ok := s.Host(h.Name); !ok || len(whole.Log) > len(data) {
				t.Fatalf("%d changes", len(whole.Log))
			}
		}
		again, err := s.encode()
		if err != nil {
			t.Fatal(err)
		}
		second := New(Config{MaxHosts: 10})
		if err := second.decode(again, start); err != nil {
			t.Fatal(err)
		}
		if len(second.hosts) != n || len(second.latest) != lines || len(second.refusals) != len(s.refusals) {
			t.Fatalf("%d hosts of %d, %d lines of %d", len(second.hosts), n, len(second.latest), lines)
		}
	})
}
