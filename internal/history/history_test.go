package history

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/zone"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func entry(at time.Time, hosts ...service.HostOutcome) Entry {
	return Entry{
		At: at, Source: netip.MustParseAddr("192.0.2.1"), UserAgent: "curl/8.5.0",
		Outcome: service.Outcome{Client: "home", Hosts: hosts},
	}
}

func set(name, old, value string) service.HostOutcome {
	t := zone.TypeA
	if strings.Contains(value, ":") {
		t = zone.TypeAAAA
	}
	r := service.Record{Type: t, New: []string{value}, TTL: 300, Changed: old != value}
	if old != "" {
		r.Old = []string{old}
	}
	return service.HostOutcome{Name: name, Zone: "example.com.", Records: []service.Record{r}}
}

func failed(name string, reason service.Reason) service.HostOutcome {
	return service.HostOutcome{Name: name, Err: &service.Error{Reason: reason, Message: "it \x1b[31mfailed"}}
}

func mustHost(t *testing.T, s *Store, name string) Host {
	t.Helper()
	h, ok := s.Host(name)
	if !ok {
		t.Fatalf("%s is not in the history", name)
	}
	return h
}

// currentOf says what a host holds.
func currentOf(h Host) string {
	all := []string{}
	for _, c := range h.Current {
		all = append(all, fmt.Sprintf("{%s %v}", c.Type, c.Values))
	}
	return fmt.Sprint(all)
}

func TestRecord(t *testing.T) {
	s := New(Config{})
	s.Record(entry(start, set("a.example.com.", "", "192.0.2.1")))
	s.Record(entry(start.Add(time.Minute), set("a.example.com.", "192.0.2.1", "192.0.2.1")))
	s.Record(entry(start.Add(2*time.Minute), set("a.example.com.", "192.0.2.1", "192.0.2.2")))
	s.Record(entry(start.Add(3*time.Minute), set("a.example.com.", "", "2001:db8::1")))
	s.Record(entry(start.Add(4*time.Minute), failed("a.example.com.", zone.Timeout)))

	h := mustHost(t, s, "a.example.com.")
	if h.Submissions != 5 || h.Changes != 3 || h.Failures != 1 || h.LastResult != "failed" {
		t.Errorf("counts: %+v", h)
	}
	if !h.First.Equal(start) || !h.Last.Equal(start.Add(4*time.Minute)) || !h.Changed.Equal(start.Add(3*time.Minute)) {
		t.Errorf("times: first %v, last %v, changed %v", h.First, h.Last, h.Changed)
	}
	if got := currentOf(h); got != "[{A [192.0.2.2]} {AAAA [2001:db8::1]}]" {
		t.Errorf("current: %s", got)
	}
	if len(h.Log) != 3 || h.Log[0].Type != "AAAA" || h.Log[1].Old[0] != "192.0.2.1" || h.Log[1].New[0] != "192.0.2.2" || len(h.Log[2].Old) != 0 {
		t.Errorf("log: %v", h.Log)
	}
	if h.Client != "home" || h.Source != "192.0.2.1" || h.UserAgent != "curl/8.5.0" {
		t.Errorf("origin: %+v", h)
	}
}

// A change counts and stays although another record of the name failed.
func TestRecordPartOfAHost(t *testing.T) {
	s := New(Config{})
	part := set("a.example.com.", "", "192.0.2.1")
	part.Err = failed("", zone.Refused).Err
	s.Record(entry(start, part))
	h := mustHost(t, s, "a.example.com.")
	if h.Submissions != 1 || h.Changes != 1 || h.Failures != 1 || h.LastResult != "failed" || !h.Changed.Equal(start) {
		t.Errorf("got %+v", h)
	}
	if got := currentOf(h); got != "[{A [192.0.2.1]}]" || len(h.Log) != 1 {
		t.Errorf("current %s, log %v", got, h.Log)
	}
	latest, _ := s.Latest(nil, 0, 10)
	if len(latest) != 1 || latest[0].Result != "failed" || latest[0].Message == "" || fmt.Sprint(latest[0].Records[0].New) != "[192.0.2.1]" {
		t.Errorf("latest %+v", latest)
	}
	// The next one fails in the same way and changes nothing, which is news.
	part = set("a.example.com.", "192.0.2.1", "192.0.2.1")
	part.Err = failed("", zone.Refused).Err
	s.Record(entry(start.Add(time.Minute), part))
	if h := mustHost(t, s, "a.example.com."); h.Changes != 1 || h.Failures != 2 || !h.Changed.Equal(start) {
		t.Errorf("got %+v", h)
	}
	if latest, _ := s.Latest(nil, 0, 10); len(latest) != 2 || len(latest[0].Records[0].Old) != 1 {
		t.Errorf("latest %+v", latest)
	}
}

func TestRecordDeletion(t *testing.T) {
	s := New(Config{})
	s.Record(entry(start, set("a.example.com.", "", "192.0.2.1")))
	s.Record(entry(start, service.HostOutcome{Name: "a.example.com.", Records: []service.Record{
		{Type: zone.TypeA, Old: []string{"192.0.2.1"}, Changed: true},
	}}))
	h := mustHost(t, s, "a.example.com.")
	if got := currentOf(h); got != "[{A []}]" {
		t.Errorf("current: %s", got)
	}
	if len(h.Log) != 2 || len(h.Log[0].New) != 0 {
		t.Errorf("log: %v", h.Log)
	}
}

func TestRecordRefusals(t *testing.T) {
	recorded := map[service.Reason]string{
		zone.Conflict: "refused", zone.Refused: "failed", zone.Invalid: "failed", zone.Unreachable: "failed",
		zone.Timeout: "failed", zone.Busy: "failed",
	}
	for _, reason := range service.Reasons {
		s := New(Config{})
		s.Record(entry(start, failed("a.example.com.", reason)))
		h, ok := s.Host("a.example.com.")
		if want := recorded[reason]; ok != (want != "") || ok && h.LastResult != want || (h.Failures > 0) != (want == "failed") {
			t.Errorf("%s: recorded %v, %+v", reason, ok, h)
		}
	}
}

// Last seen is a family that was submitted, not one that was only reported.
func TestLastSeen(t *testing.T) {
	s := New(Config{})
	both := set("a.example.com.", "", "192.0.2.1")
	both.Records = append(both.Records, set("", "", "2001:db8::1").Records...)
	s.Record(entry(start, both))
	both.Records[1].Kept = true
	s.Record(entry(start.Add(time.Hour), both))
	s.Record(entry(start.Add(2*time.Hour), failed("a.example.com.", zone.Timeout)))
	for i, want := range []time.Time{start.Add(time.Hour), start} {
		if c := mustHost(t, s, "a.example.com.").Current[i]; !c.Seen.Equal(want) {
			t.Errorf("%s was seen at %v, want %v", c.Type, c.Seen, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	internal := &zone.Error{
		Reason: zone.Refused, Server: "10.1.2.3:53", Zone: "example.com.", Name: "a.example.com.", RCode: "REFUSED", Verified: true,
		EDE: []string{"prohibited from 10.1.2.4"}, Hint: "grant key dyn-key", Cause: errors.New("dial tcp 10.1.2.3:53"),
	}
	conflict := &zone.Error{Reason: zone.Conflict, Server: "10.1.2.3:53", Zone: "example.com.", Name: "a.example.com.", Hint: "a CNAME stands there"}
	ofHost := func(name string, err *service.Error) service.Outcome {
		return service.Outcome{Client: "home", Hosts: []service.HostOutcome{{Name: name, Zone: "example.com.", Err: err}}}
	}
	for _, tt := range []struct {
		name    string
		outcome service.Outcome
		want    string // empty if nothing is kept
	}{
		{"the whole request", service.Outcome{Client: "home", Err: &service.Error{Reason: service.BadParameter, Message: "ttl 1 is not between 60 and 600"}},
			`bad_parameter "" ttl 1 is not between 60 and 600`},
		{"a name that is not granted", ofHost("b.example.org.", &service.Error{Reason: service.NotGranted, Message: "you may not change b.example.org."}),
			`not_granted "b.example.org." you may not change b.example.org.`},
		{"the nameserver refused", ofHost("a.example.com.", &service.Error{Reason: zone.Refused, Message: internal.Error(), Cause: internal}),
			`dns_refused "a.example.com." the nameserver refused the update for a.example.com. in zone example.com.: REFUSED`},
		{"a conflict", ofHost("a.example.com.", &service.Error{Reason: zone.Conflict, Message: conflict.Error(), Cause: conflict}),
			`dns_conflict "a.example.com." no record can stand for a.example.com. in zone example.com.: a CNAME stands there`},
		{"another error", ofHost("a.example.com.", &service.Error{Reason: zone.Unreachable, Message: "dial tcp 10.1.2.3:53", Cause: errors.New("dial tcp 10.1.2.3:53")}),
			`dns_failed "a.example.com." the nameserver could not be reached for a.example.com. in zone example.com.`},
		{"control characters", ofHost("a\x1b[31m", &service.Error{Reason: service.BadName, Message: "no name: a\x1b[31m"}),
			`bad_name "a\\x1b[31m" no name: a\x1b[31m`},
		{"nobody's", service.Outcome{Err: &service.Error{Reason: service.BadCredential, Message: "wrong secret or token"}}, ""},
		{"no refusal", service.Outcome{Client: "home"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := New(Config{})
			s.Record(Entry{At: start, Outcome: tt.outcome})
			got := ""
			for _, r := range s.Refusals("home") {
				got += fmt.Sprintf("%s %q %s", r.Reason, r.Name, r.Cause)
				if !r.At.Equal(start) || r.Client != "home" {
					t.Errorf("got %+v", r)
				}
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			// What failed at the nameserver is a submission, with the same words.
			latest, _ := s.Latest(nil, 0, 10)
			for _, l := range latest {
				if !strings.HasSuffix(tt.want, " "+l.Message) || l.Message == "" {
					t.Errorf("the submission says %q", l.Message)
				}
			}
		})
	}
}

// A client that is refused all the time keeps a few different causes, and pushes
// nobody else out.
func TestRefusalsAreBounded(t *testing.T) {
	s := New(Config{})
	refuse := func(at time.Time, client, message string) {
		s.Record(Entry{At: at, Outcome: service.Outcome{Client: client, Err: &service.Error{Reason: service.BadName, Message: message}}})
	}
	refuse(start, "quiet", "once")
	for i := range 1000 {
		refuse(start.Add(time.Duration(i)*time.Second), "noisy", fmt.Sprint(i%20))
	}
	refuse(start.Add(time.Hour), "noisy", "15")
	var got []string
	for _, r := range s.Refusals("noisy") {
		got = append(got, r.Cause)
	}
	if want := "15 19 18 17 16 14 13 12 11 10"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	for i := range 2 * maxClients {
		refuse(start.Add(2*time.Hour), fmt.Sprint("client ", i), "x")
	}
	if len(s.refusals) != maxClients {
		t.Errorf("%d clients", len(s.refusals))
	}
	s.expire(start.AddDate(0, 0, 31))
	if len(s.refusals) != 0 {
		t.Errorf("%d clients never expire", len(s.refusals))
	}
}

func TestRecordLAN(t *testing.T) {
	s := New(Config{})
	s.Record(Entry{At: start, Outcome: service.Outcome{LAN: []service.HostOutcome{set("nas.example.com.", "", "2001:db8::5")}}})
	if h := mustHost(t, s, "nas.example.com."); h.Source != "" || h.Changes != 1 {
		t.Errorf("got %+v", h)
	}
}

func TestOrigin(t *testing.T) {
	for _, tt := range []struct{ name, source, agent, wantSource, wantAgent string }{
		{"IPv4", "192.0.2.1", "a", "192.0.2.1", "a"},
		{"IPv4-mapped", "::ffff:192.0.2.1", "a", "192.0.2.1", "a"},
		{"IPv6 keeps its network", "2001:db8:1:2:aaaa:bbbb:cccc:dddd", "a", "2001:db8:1:2::/64", "a"},
		{"link-local with a zone", "fe80::1%eth0", "a", "fe80::/64", "a"},
		{"long agent", "192.0.2.1", strings.Repeat("x", 200), "192.0.2.1", strings.Repeat("x", 80)},
		{"control characters", "192.0.2.1", "a\x1b[31m\nb\u202e", "192.0.2.1", `a\x1b[31m\nb\u202e`},
		{"escapes are cut too", "192.0.2.1", strings.Repeat("\n", 80), "192.0.2.1", strings.Repeat(`\n`, 40)},
		{"broken UTF-8", "192.0.2.1", "a\xff", "192.0.2.1", `a\xff`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := New(Config{})
			e := entry(start, set("a.example.com.", "", "192.0.2.1"))
			e.Source, e.UserAgent = netip.MustParseAddr(tt.source), tt.agent
			s.Record(e)
			h := mustHost(t, s, "a.example.com.")
			if h.Source != tt.wantSource || h.UserAgent != tt.wantAgent {
				t.Errorf("got %q %q, want %q %q", h.Source, h.UserAgent, tt.wantSource, tt.wantAgent)
			}
		})
	}
}

func TestLogIsBounded(t *testing.T) {
	s := New(Config{})
	for i := range 50 {
		s.Record(entry(start.Add(time.Duration(i)*time.Second), set("a.example.com.", "192.0.2.200", fmt.Sprintf("192.0.2.%d", i))))
	}
	h := mustHost(t, s, "a.example.com.")
	if len(h.Log) != maxChanges || h.Log[0].New[0] != "192.0.2.49" || h.Log[19].New[0] != "192.0.2.30" {
		t.Errorf("log of %d: first %v", len(h.Log), h.Log[0])
	}
	if h.Changes != 50 {
		t.Errorf("%d changes counted", h.Changes)
	}
}

func TestValuesAreBounded(t *testing.T) {
	var many []string
	for range 100 {
		many = append(many, strings.Repeat("x", 500))
	}
	s := New(Config{})
	s.Record(entry(start, service.HostOutcome{Name: "a.example.com.", Records: []service.Record{
		{Type: zone.TypeTXT, Old: many, New: many, Changed: true},
		{Type: zone.Type(99), New: []string{"x"}, Changed: true},
	}}))
	h := mustHost(t, s, "a.example.com.")
	if len(h.Current[0].Values) != maxValues || len(h.Current[0].Values[7]) != maxText {
		t.Errorf("current: %v", h.Current)
	}
	if len(h.Log) != 1 || len(h.Log[0].New) != maxValues || len(h.Log[0].New[7]) != maxText {
		t.Errorf("log: %v", h.Log)
	}
}

func TestOldestHostIsEvicted(t *testing.T) {
	s := New(Config{MaxHosts: 3})
	for i, name := range []string{"a.", "b.", "c.", "a.", "d.", "e."} {
		s.Record(entry(start.Add(time.Duration(i)*time.Second), set(name, "", "192.0.2.1")))
	}
	hosts, total := s.Hosts(nil, 0, 10)
	var names []string
	for _, h := range hosts {
		names = append(names, h.Name)
	}
	if got := strings.Join(names, " "); got != "a. d. e." || total != 3 {
		t.Errorf("got %s of %d", got, total)
	}
}

func TestPaging(t *testing.T) {
	s := New(Config{})
	for i := range 25 {
		s.Record(entry(start.Add(time.Duration(i)*time.Second), set(fmt.Sprintf("h%02d.example.com.", i), "", "192.0.2.1")))
	}
	even := func(name string) bool { return (name[2]-'0')%2 == 0 }
	for _, tt := range []struct {
		name          string
		filter        func(string) bool
		offset, limit int
		first, latest string // names at the start of the page
		length, total int
	}{
		{"first page", nil, 0, 10, "h00", "h24", 10, 25},
		{"last page", nil, 20, 10, "h20", "h04", 5, 25},
		{"beyond the end", nil, 100, 10, "", "", 0, 25},
		{"negative", nil, -5, 10, "h00", "h24", 10, 25},
		{"nothing wanted", nil, 0, 0, "", "", 0, 25},
		{"filtered", even, 0, 5, "h00", "h24", 5, 13},
	} {
		t.Run(tt.name, func(t *testing.T) {
			hosts, total := s.Hosts(tt.filter, tt.offset, tt.limit)
			if len(hosts) != tt.length || total != tt.total || len(hosts) > 0 && !strings.HasPrefix(hosts[0].Name, tt.first) {
				t.Errorf("hosts: %d of %d: %v", len(hosts), total, hosts)
			}
			subs, total := s.Latest(tt.filter, tt.offset, tt.limit)
			if len(subs) != tt.length || total != tt.total || len(subs) > 0 && !strings.HasPrefix(subs[0].Name, tt.latest) {
				t.Errorf("latest: %d of %d: %v", len(subs), total, subs)
			}
		})
	}
}

// Names come in the order of their numbers, with those that are asked for beside.
func TestHostsInOrder(t *testing.T) {
	s := New(Config{})
	for _, name := range []string{"host10.example.com.", "host2.example.com."} {
		s.Record(entry(start, set(name, "", "192.0.2.1")))
	}
	hosts, total := s.Hosts(nil, 1, 10, "host9.example.com.", "host2.example.com.", "host11.example.com.")
	var got []string
	for _, h := range hosts {
		got = append(got, fmt.Sprint(h.Name, h.Submissions, len(h.Current)))
	}
	if want := []string{"host9.example.com.0 0", "host10.example.com.1 1", "host11.example.com.0 0"}; total != 4 || !slices.Equal(got, want) {
		t.Errorf("%d, %q", total, got)
	}
}

func TestLatestCountsRepeats(t *testing.T) {
	s := New(Config{})
	s.Record(entry(start, set("quiet.", "", "192.0.2.9")))
	for i := range 2 * maxLatest {
		s.Record(entry(start.Add(time.Duration(i+1)*time.Second), set("chatty.", "192.0.2.1", "192.0.2.1")))
	}
	subs, total := s.Latest(nil, 0, 10)
	if total != 2 || subs[0].Name != "chatty." || subs[0].Times != 2*maxLatest || subs[1].Name != "quiet." {
		t.Fatalf("got %d: %+v", total, subs)
	}
	s.Record(entry(start.Add(time.Hour*24), failed("chatty.", zone.Busy)))
	s.Record(entry(start.Add(time.Hour*25), failed("chatty.", zone.Busy)))
	s.Record(entry(start.Add(time.Hour*26), failed("chatty.", zone.Timeout)))
	subs, total = s.Latest(nil, 0, 10)
	if total != 3 || subs[0].Result != "failed" || subs[0].Times != 3 || subs[0].Message != `it \x1b[31mfailed` {
		t.Fatalf("got %d: %+v", total, subs[0])
	}
	other := entry(start.Add(time.Hour*27), set("chatty.", "192.0.2.1", "192.0.2.1"))
	other.Source = netip.MustParseAddr("198.51.100.1")
	s.Record(other)
	if _, total = s.Latest(nil, 0, 10); total != 4 {
		t.Errorf("another source did not get its own line: %d", total)
	}
}

func TestLatestOfOneSecondInOrder(t *testing.T) {
	s := New(Config{})
	for i := range maxLatest + 10 {
		s.Record(entry(start, set("home.example.com.", "", fmt.Sprintf("192.0.%d.%d", i>>8, i&0xff))))
	}
	subs, _ := s.Latest(nil, 0, 20)
	for i, sub := range subs {
		n := maxLatest + 9 - i
		if want := fmt.Sprintf("192.0.%d.%d", n>>8, n&0xff); sub.Records[0].New[0] != want {
			t.Fatalf("line %d is %s, want %s", i, sub.Records[0].New[0], want)
		}
	}
}

func TestLatestIsBounded(t *testing.T) {
	s := New(Config{})
	for i := range 2 * maxLatest {
		s.Record(entry(start.Add(time.Duration(i)*time.Second), set(fmt.Sprintf("h%d.", i), "", "192.0.2.1")))
	}
	subs, total := s.Latest(nil, 0, maxLatest)
	if total != maxLatest {
		t.Errorf("%d lines", total)
	}
	// Old ones made room.
	for i, sub := range subs[:maxLatest/2] {
		if want := fmt.Sprintf("h%d.", 2*maxLatest-1-i); sub.Name != want {
			t.Fatalf("line %d is of %s, want %s", i, sub.Name, want)
		}
	}
}

// A host whose line made room for others gets another.
func TestLineThatIsGone(t *testing.T) {
	s := New(Config{})
	unchanged := set("quiet.", "192.0.2.1", "192.0.2.1")
	s.Record(entry(start, unchanged))
	clear(s.latest)
	s.Record(entry(start.Add(time.Minute), unchanged))
	if subs, _ := s.Latest(nil, 0, 10); len(subs) != 1 || subs[0].Times != 1 {
		t.Errorf("got %+v", subs)
	}
}

func TestClockThatJumps(t *testing.T) {
	s := New(Config{Days: 1})
	s.Record(entry(start, set("a.", "", "192.0.2.1")))
	s.Record(entry(start.AddDate(-1, 0, 0), set("a.", "192.0.2.1", "192.0.2.2")))
	if h := mustHost(t, s, "a."); h.First.After(h.Last) || h.Submissions != 2 || len(h.Log) != 2 {
		t.Errorf("after a jump back: %+v", h)
	}
	s.Record(entry(start.AddDate(50, 0, 0), set("b.", "", "192.0.2.1")))
	s.Record(entry(time.Unix(-5, 0), set("c.", "", "192.0.2.1")))
	s.expire(start) // takes the future for now
	s.expire(start.AddDate(0, 0, 2))
	if _, total := s.Hosts(nil, 0, 10); total != 0 {
		t.Errorf("%d hosts never expire", total)
	}
	if _, err := s.encode(); err != nil {
		t.Error(err)
	}
}

func TestExpire(t *testing.T) {
	s := New(Config{Days: 30})
	for i := range 2000 {
		s.Record(entry(start.AddDate(0, 0, i%60), set(fmt.Sprintf("h%d.", i), "", "192.0.2.1")))
	}
	s.expire(start.AddDate(0, 0, 60))
	hosts, total := s.Hosts(nil, 0, 2000)
	if total != 990 || len(hosts) != total || len(s.hosts) != total {
		t.Errorf("%d hosts are left", total)
	}
	if _, n := s.Latest(nil, 0, 1); n != 990 {
		t.Errorf("%d submissions are left", n)
	}
}

func TestConcurrentUse(t *testing.T) {
	m := newMemory()
	s := New(Config{MaxHosts: 1000, Storage: m.get, Warn: func(message string, err error) { t.Error(message, err) }})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 2000 {
				s.Record(entry(start.Add(time.Duration(i)*time.Second), set(fmt.Sprintf("h%d.", (i*7+g)%1500), "192.0.2.1", fmt.Sprintf("192.0.2.%d", i%250))))
			}
		})
	}
	wg.Go(func() {
		for i := range 20 {
			s.Hosts(nil, 0, 50)
			s.Latest(nil, 0, 50)
			s.Host("h1.")
			s.expire(start.Add(time.Duration(i) * time.Hour))
			s.save(context.Background())
		}
	})
	wg.Wait()
	s.Stop(context.Background())
}

func TestRecordAllocatesNothingForARepeat(t *testing.T) {
	s := New(Config{})
	e := entry(start, set("a.example.com.", "192.0.2.1", "192.0.2.1"))
	s.Record(e)
	if n := testing.AllocsPerRun(100, func() { s.Record(e) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestMergeLogs(t *testing.T) {
	var a, b []byte
	for i := range 15 {
		r := service.Record{Type: zone.TypeA, New: []string{"192.0.2.1"}}
		a = appendChange(a, int64(2*i+1), &r)
		b = appendChange(b, int64(2*i+2), &r)
	}
	both := mergeLogs(a, b)
	merged := export(t, both)
	if len(merged) != maxChanges {
		t.Fatalf("%d changes", len(merged))
	}
	if !slices.IsSortedFunc(merged, func(x, y Change) int { return y.At.Compare(x.At) }) || merged[0].At.Unix() != 30 {
		t.Errorf("got %v", merged)
	}
	if again := mergeLogs(both, b); !bytes.Equal(again, both) {
		t.Errorf("what was known came in twice: %v", export(t, again))
	}
}

// export unpacks a log, the newest change first.
func export(t *testing.T, log []byte) []Change {
	t.Helper()
	if _, whole := split(log); !whole {
		t.Fatalf("a damaged log: %x", log)
	}
	return New(Config{}).export(&host{Log: log}).Log
}
