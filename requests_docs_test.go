package dyndns

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/internal/dialect"
	"github.com/caddy-dyndns/dyndns/internal/pages"
	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/test/markdown"
	"github.com/caddy-dyndns/dyndns/zone"
)

// tableRow begins with one or two code spans.
var tableRow = regexp.MustCompile("(?m)^\\| (`[^|]+`) \\| (.+) \\|$")

var (
	statusCode = regexp.MustCompile(`\b[2-5]\d\d\b`)
	codeSpan   = regexp.MustCompile("`([^`]+)`")
)

// The words and statuses of the page about requests are those of the native dialect.
func TestDocumentedStatuses(t *testing.T) {
	answered := make(map[string]map[string]bool)
	answer := func(outcome service.Outcome) {
		in := dialect.NewInput(httptest.NewRequest(http.MethodGet, "/check/x", nil), netip.Addr{}, dialect.Options{})
		d := dialect.Match(in)
		if d == nil {
			t.Fatal("/check/x is not ours")
		}
		reply := d.Write(in, dialect.Request{}, outcome)
		word, _, _ := strings.Cut(string(reply.Body), ":")
		if answered[word] == nil {
			answered[word] = make(map[string]bool)
		}
		answered[word][strconv.Itoa(reply.Status)] = true
	}
	for _, reason := range service.Reasons {
		for _, inURL := range []bool{false, true} {
			answer(service.Outcome{Err: &service.Error{Reason: reason, InURL: inURL}})
		}
	}
	for _, changed := range []bool{false, true} {
		answer(service.Outcome{Hosts: []service.HostOutcome{{Records: []service.Record{{Type: zone.TypeA, Changed: changed}}}}})
	}
	answer(service.Outcome{Checks: []service.ZoneCheck{{Steps: []zone.CheckStep{{Err: errors.New("refused")}}}}})

	documented := make(map[string]map[string]bool)
	for _, row := range tableRow.FindAllStringSubmatch(readDoc(t, "requests.md"), -1) {
		if strings.HasPrefix(row[1], "`/") { // the table of paths
			continue
		}
		for _, word := range codeSpan.FindAllStringSubmatch(row[1], -1) {
			documented[word[1]] = make(map[string]bool)
			for _, status := range statusCode.FindAllString(row[2], -1) {
				documented[word[1]][status] = true
			}
		}
	}
	for _, word := range slices.Sorted(maps.Keys(answered)) {
		if !maps.Equal(documented[word], answered[word]) {
			t.Errorf("%s: the page says %v, the dialect %v", word,
				slices.Sorted(maps.Keys(documented[word])), slices.Sorted(maps.Keys(answered[word])))
		}
	}
	for word := range documented {
		if answered[word] == nil {
			t.Errorf("the page knows a word %s", word)
		}
	}
}

// The paths of the page about requests are answered by the dialect that it says.
func TestDocumentedPaths(t *testing.T) {
	argument := strings.NewReplacer("[", "", "]", "", "<secret>", "x", "<fqdn>", "home.dyn.example.com", "<ip_1>", "192.0.2.1", "<ip_2>", "2001:db8::1", "<domains>", "home", "<token>", "x", "<ip>", "192.0.2.1")
	seen := make(map[string]int)
	for _, row := range tableRow.FindAllStringSubmatch(readDoc(t, "requests.md"), -1) {
		for _, span := range codeSpan.FindAllStringSubmatch(row[1], -1) {
			if !strings.HasPrefix(span[1], "/") {
				continue
			}
			path := argument.Replace(span[1])
			d := dialect.Match(dialect.NewInput(httptest.NewRequest(http.MethodGet, path, nil), netip.Addr{}, dialect.Options{Domains: []string{"example.com"}}))
			if d == nil {
				t.Errorf("%s is not ours", path)
				continue
			}
			name := d.Info().Name
			seen[name]++
			if want := cmp.Or(regexp.MustCompile(`dyndns2|DuckDNS|httpreq|^ *records`).FindString(row[2]), "native"); !strings.EqualFold(name, strings.TrimSpace(want)) {
				t.Errorf("%s is answered by %s, the page says %s", path, name, want)
			}
		}
	}
	if want := map[string]int{"native": 4, "dyndns2": 7, "duckdns": 2, "httpreq": 2, "records": 1}; !maps.Equal(seen, want) {
		t.Errorf("the page shows the paths %v, want %v", seen, want)
	}
}

// deviceRow is a row of a table whose first column may begin with a device's name.
var deviceRow = regexp.MustCompile(`(?m)^\| ([^|]+?) \| (.+) \|$`)

// The README has the devices of the page, in its order, with the page's addresses and
// words. What other pages say of a device is the same.
func TestDocumentedDevices(t *testing.T) {
	var page struct{ Settings []pages.Device }
	var b bytes.Buffer
	site := pages.Site{Host: "dyndns.example.com"}
	if err := pages.Usage(site, pages.Visitor{}, "home.dyn.example.com").Write(&b, site, pages.JSON); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b.Bytes(), &page); err != nil {
		t.Fatal(err)
	}
	address := regexp.MustCompile(`^(https://|dyndns\.example\.com|/)\S*update\S*[?&]`)
	values, addresses := make(map[string]string), make(map[string][]string)
	var want, got []string
	for _, d := range page.Settings {
		want = append(want, d.Name)
		for _, s := range d.Settings {
			values[d.Name] += s.Value + "\n"
			if address.MatchString(s.Value) && !strings.Contains(s.Value, "\n") {
				addresses[d.Name] = append(addresses[d.Name], s.Value)
			}
		}
	}
	spans := func(row string) (all []string) {
		for _, span := range codeSpan.FindAllStringSubmatch(row, -1) {
			all = append(all, strings.ReplaceAll(span[1], `\|`, "|"))
		}
		return all
	}
	_, table, _ := strings.Cut(markdown.Pages(t, ".")["README.md"], "| router | what to enter |\n|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	for _, row := range deviceRow.FindAllStringSubmatch(table, -1) {
		names := strings.Split(row[1], ", ")
		got = append(got, names...)
		for _, span := range spans(row[2]) {
			if !strings.Contains(values[names[0]], span) {
				t.Errorf("the page does not have %q of %s", span, names[0])
			}
		}
		for _, a := range addresses[names[0]] {
			if !slices.Contains(spans(row[2]), a) {
				t.Errorf("the README does not have %q of %s", a, names[0])
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the README has the devices %q, the page %q", got, want)
	}
	for file, text := range markdown.Pages(t, ".") {
		for _, row := range deviceRow.FindAllStringSubmatch(text, -1) {
			for _, span := range spans(row[2]) {
				name, _, _ := strings.Cut(row[1], ",")
				if isAddress := address.MatchString(span) || strings.Contains(span, "%IP%"); isAddress && values[name] != "" && !strings.Contains(values[name], span) {
					t.Errorf("%s: the page does not have %q of %s", file, span, name)
				}
			}
		}
	}
}
