package nameserver

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/internal/authority"
	"github.com/caddy-dyndns/dyndns/zone"
)

// openZone opens a server with one zone on a new database.
func openZone(t *testing.T) *Zone {
	t.Helper()
	s := open(t, ZoneConfig{Name: "dyn.test.", NameServers: []string{"ns1.dyn.test", "ns.example.net"}, Records: []string{"ns1 A 192.0.2.53", `@ CAA 0 issue "example.org"`}})
	return s.Zone("dyn.test.")
}

// export returns the lines of a zone without the SOA record, and the serial.
func export(t *testing.T, z *Zone) (lines []string, serial uint32) {
	t.Helper()
	var b strings.Builder
	if err := z.Export(&b); err != nil {
		t.Fatal(err)
	}
	lines = strings.Split(strings.TrimSpace(strings.ReplaceAll(b.String(), "\t", " ")), "\n")
	z.served().read(func(_ *configuration, data *authority.Zone) { serial = data.SOA().Serial })
	return lines[1:], serial
}

// What is exported can be imported into another server, whose zone is the same then.
func TestExportAndImport(t *testing.T) {
	from, to := openZone(t), openZone(t)
	changes := []zone.Change{
		{Name: "home.dyn.test.", Type: zone.TypeA, Action: zone.Set, Values: []string{"192.0.2.1", "192.0.2.2"}, TTL: 60},
		{Name: "home.dyn.test.", Type: zone.TypeHTTPS, Action: zone.Set, Values: []string{"1 . alpn=h2"}, TTL: 300},
		{Name: "_acme-challenge.home.dyn.test.", Type: zone.TypeTXT, Action: zone.Set, Values: []string{`quotes " and \ and ;`}, TTL: 60},
	}
	for _, r := range from.Apply(t.Context(), changes) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	for _, r := range to.Apply(t.Context(), []zone.Change{{Name: "gone.dyn.test.", Type: zone.TypeA, Action: zone.Set, Values: []string{"192.0.2.9"}, TTL: 60}}) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	var file strings.Builder
	if err := from.Export(&file); err != nil {
		t.Fatal(err)
	}
	_, before := export(t, to)
	skipped, err := to.Import(t.Context(), strings.NewReader(file.String()), 4_000_000_000)
	if err != nil {
		t.Fatal(err)
	}
	// The configuration has these itself.
	slices.Sort(skipped)
	if len(skipped) != 2 || !strings.Contains(skipped[0], "CAA") || !strings.HasPrefix(skipped[1], "ns1.dyn.test.") {
		t.Errorf("skipped %q", skipped)
	}
	want, _ := export(t, from)
	got, after := export(t, to)
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if after <= before || after != 4_000_000_001 {
		t.Errorf("the serial went from %d to %d", before, after)
	}
	// A secondary of another origin may have had these serials with other data.
	if log, err := to.server.writer.file.Log(to.name, before, after); err != nil || log != nil {
		t.Errorf("the log has %v %v", log, err)
	}
	if r := to.Apply(t.Context(), changes)[0]; r.Err != nil || r.Changed {
		t.Errorf("the change is not there: %+v", r)
	}
}

// The serial goes on behind all that secondaries may have, also where nothing else
// changes, and is never 0.
func TestImportSerial(t *testing.T) {
	for _, tt := range []struct{ file, after, want uint32 }{
		{3_000_000_000, 0, 3_000_000_001},
		{3_000_000_000, 3_000_000_005, 3_000_000_006},
		{1, math.MaxUint32, 1},
	} {
		z := openZone(t)
		file := fmt.Sprintf("@ 60 IN SOA ns1 hostmaster %d 1 1 1 1\n", tt.file)
		if _, err := z.Import(t.Context(), strings.NewReader(file), tt.after); err != nil {
			t.Fatal(err)
		}
		if _, got := export(t, z); got != tt.want {
			t.Errorf("%d in the file and %d given: %d, want %d", tt.file, tt.after, got, tt.want)
		}
	}
}

// A bad file changes nothing.
func TestBadImport(t *testing.T) {
	z := openZone(t)
	if r := z.Apply(t.Context(), []zone.Change{{Name: "home.dyn.test.", Type: zone.TypeA, Action: zone.Set, Values: []string{"192.0.2.1"}, TTL: 60}})[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
	before, serial := export(t, z)
	for name, file := range map[string]string{
		"an address": "x 60 IN A 192.0.2", "another zone": "example.com. 60 IN A 192.0.2.1", "an inclusion": "$INCLUDE /etc/passwd",
		"another class": "a 60 CH A 192.0.2.1", "a TTL of 32 bits": "a 4000000000 IN A 192.0.2.1", "no data": "a 60 IN A\n",
		"a broken last line": "a 60 IN A 192.0.2.1\nb 60 IN A", "too many": strings.Repeat("a 60 IN TXT "+strings.Repeat("x", 200)+"\n", 1) + manyTexts(),
	} {
		if _, err := z.Import(context.Background(), strings.NewReader(file), 0); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if after, now := export(t, z); !slices.Equal(after, before) || now != serial {
		t.Errorf("the zone is %q", after)
	}
}

// manyTexts are more than an RRset may have.
func manyTexts() string {
	var b strings.Builder
	for i := range 400 {
		b.WriteString("a 60 IN TXT " + strings.Repeat("x", 200) + string(rune('a'+i%26)) + strings.Repeat("y", i/26) + "\n")
	}
	return b.String()
}

// A file may write a name and a record in several ways, and the zone has them once, as
// queries ask for them.
func TestImportSpellings(t *testing.T) {
	z := openZone(t)
	file := `\104OME 60 IN A 192.0.2.1
home.dyn.test. 3600 A 192.0.2.1
home 60 IN A 192.0.2.2
t 60 TXT "\097b" ( "c"
 )
t 60 TXT ab c
other 60 APL
`
	if _, err := z.Import(t.Context(), strings.NewReader(file), 0); err != nil {
		t.Fatal(err)
	}
	got, _ := export(t, z)
	got = slices.DeleteFunc(got, func(line string) bool { return !strings.HasPrefix(line, "home") && !strings.HasPrefix(line, "t.") })
	want := []string{"home.dyn.test. 60 IN A 192.0.2.1", "home.dyn.test. 60 IN A 192.0.2.2", `t.dyn.test. 60 IN TXT "ab" "c"`}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if r := z.Apply(t.Context(), []zone.Change{{Name: "home.dyn.test.", Type: zone.TypeA, Action: zone.Keep}})[0]; len(r.New) != 2 {
		t.Errorf("home.dyn.test. has %q", r.New)
	}
}

// The serial moves past that of the secondaries also where nothing else changes.
func TestImportOfTheSame(t *testing.T) {
	z := openZone(t)
	var file strings.Builder
	if err := z.Export(&file); err != nil {
		t.Fatal(err)
	}
	if _, err := z.Import(t.Context(), strings.NewReader(file.String()), 4_000_000_000); err != nil {
		t.Fatal(err)
	}
	if _, serial := export(t, z); serial != 4_000_000_001 {
		t.Errorf("the serial is %d", serial)
	}
	// After the greatest comes 1, and 0 is left out (RFC 1982).
	if _, err := z.Import(t.Context(), strings.NewReader(file.String()), 4_294_967_295); err != nil {
		t.Fatal(err)
	}
	if _, serial := export(t, z); serial != 1 {
		t.Errorf("the serial is %d", serial)
	}
}
