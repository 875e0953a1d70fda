package service

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/zone"
)

func TestResult(t *testing.T) {
	record := func(changed bool, values ...string) Record { return Record{Changed: changed, New: values} }
	hosts := func(hosts ...HostOutcome) Outcome { return Outcome{Hosts: hosts} }
	unchanged, updated, deleted := record(false, "192.0.2.1"), record(true, "192.0.2.1"), record(true)
	refused, failed := &Error{Reason: zone.Conflict}, &Error{Reason: zone.Timeout}
	step := func(err error) zone.CheckStep { return zone.CheckStep{Err: err} }
	for _, row := range []struct {
		name    string
		outcome Outcome
		want    Result
	}{
		{"nothing", Outcome{}, Unchanged},
		{"in place", hosts(HostOutcome{Records: []Record{unchanged}}), Unchanged},
		{"removed", hosts(HostOutcome{Records: []Record{unchanged, deleted}}), Deleted},
		{"written and removed", hosts(HostOutcome{Records: []Record{updated, deleted}}), Updated},
		{"a host behind the router", Outcome{LAN: []HostOutcome{{Records: []Record{updated}}}}, Updated},
		{"one name refused", hosts(HostOutcome{Err: refused}, HostOutcome{Records: []Record{updated}}), Refused},
		{"one record of a name failed", hosts(HostOutcome{Records: []Record{updated}, Err: failed}), Failed},
		{"refused and failed", hosts(HostOutcome{Err: failed}, HostOutcome{Err: refused}), Failed},
		{"whole request refused", Outcome{Err: &Error{Reason: NoCredential}}, Refused},
		{"whole request failed", Outcome{Err: &Error{Reason: zone.Busy}}, Failed},
		{"checked", Outcome{Checks: []ZoneCheck{{Steps: []zone.CheckStep{step(nil)}}}}, Checked},
		{"checked with a warning", Outcome{Checks: []ZoneCheck{{Steps: []zone.CheckStep{{Err: errors.New("no"), Warning: true}, step(nil)}}}}, Checked},
		{"one zone's check failed", Outcome{Checks: []ZoneCheck{{Steps: []zone.CheckStep{step(nil), step(errors.New("no"))}}, {}}}, Failed},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := row.outcome.Result(); got != row.want {
				t.Errorf("got %v, want %v", got, row.want)
			}
		})
	}
}

func TestResultText(t *testing.T) {
	for i := range Results {
		text, err := json.Marshal(Result(i))
		var back Result
		if err != nil || json.Unmarshal(text, &back) != nil || back != Result(i) {
			t.Errorf("%s became %v, %v", text, back, err)
		}
	}
	if err := new(Result).UnmarshalText([]byte("odd")); err == nil {
		t.Error("an odd word was taken")
	}
}

func TestReasons(t *testing.T) {
	seen := make(map[Reason]bool)
	for _, reason := range Reasons {
		if reason == "" || seen[reason] {
			t.Errorf("%q stands there twice or is none", reason)
		}
		seen[reason] = true
		e := Error{Reason: reason}
		if dns := strings.HasPrefix(string(reason), "dns_"); e.FromDNS() != dns {
			t.Errorf("%s: FromDNS is %v", reason, !dns)
		}
	}
}
