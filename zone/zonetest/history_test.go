package zonetest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// at is an operation between two seconds.
func at(call, reply int, e Effect, old, wanted string) Operation {
	return Operation{Client: "a", Call: time.Duration(call) * time.Second, Reply: time.Duration(reply) * time.Second, Effect: e, Old: old, New: wanted}
}

func TestJudge(t *testing.T) {
	const end = 100
	for _, test := range []struct {
		name string
		h    History
		want porcupine.CheckResult
	}{
		{"nothing", nil, porcupine.Ok},
		{"one after the other", History{
			at(1, 2, Proven, "", ".1"), at(3, 4, Proven, ".1", ".2"), at(5, 6, Proven, ".2", ".2"), at(7, 8, Proven, ".2", ""), at(end, end, Proven, "", ""),
		}, porcupine.Ok},
		{"an old value that was never there", History{
			at(1, 2, Proven, "", ".1"), at(3, 4, Proven, ".3", ".2"),
		}, porcupine.Illegal},
		{"an old value that is gone", History{
			at(1, 2, Proven, "", ".1"), at(3, 4, Proven, ".1", ".2"), at(5, 6, Proven, ".1", ".3"),
		}, porcupine.Illegal},
		{"one value replaced twice", History{
			at(1, 2, Proven, "", ".1"), at(3, 9, Proven, ".1", ".2"), at(3, 9, Proven, ".1", ".3"),
		}, porcupine.Illegal},
		{"two at once in either order", History{
			at(1, 9, Proven, "", ".1"), at(1, 9, Proven, ".1", ".2"), at(end, end, Proven, ".2", ".2"),
		}, porcupine.Ok},
		{"an order that the clock forbids", History{
			at(1, 2, Proven, ".1", ".2"), at(3, 4, Proven, "", ".1"),
		}, porcupine.Illegal},
		{"an acknowledged change is lost", History{
			at(1, 2, Proven, "", ".1"), at(end, end, Proven, "", ""),
		}, porcupine.Illegal},
		{"a late message undoes an acknowledged change", History{
			at(1, 2, Proven, "", ".1"), at(3, 4, Proven, ".1", ".2"), at(5, 6, Proven, ".2", ".1"), at(end, end, Proven, ".2", ".2"),
		}, porcupine.Illegal},
		{"equal values of two instances, one message lost", History{
			at(1, 2, Proven, "", ".1"), at(3, 4, Proven, ".1", ".3"), at(3, 5, Proven, ".1", ".3"),
		}, porcupine.Illegal},
		{"the same without proof", History{
			at(1, 2, Proven, "", ".1"), at(3, 4, Proven, ".1", ".3"), at(3, 5, Written, "", ".3"),
		}, porcupine.Ok},
		{"a blind write explains the old value", History{
			at(1, 2, Written, "", ".1"), at(3, 4, Proven, ".1", ".2"),
		}, porcupine.Ok},
		{"a blind write is not lost", History{
			at(1, 2, Written, "", ".1"), at(3, 4, Proven, "", ".2"),
		}, porcupine.Illegal},
		{"a blind write takes effect before its reply", History{
			at(1, 2, Proven, "", ".1"), at(3, 4, Written, "", ".2"), at(5, 6, Proven, ".1", ".2"),
		}, porcupine.Illegal},
		{"unknown and applied late", History{
			at(1, 2, Unknown, "", ".1"), at(3, 4, Proven, "", ".2"), at(5, 6, Proven, ".2", ".2"), at(7, 8, Proven, ".1", ".3"),
		}, porcupine.Ok},
		{"unknown and never applied", History{
			at(1, 2, Unknown, "", ".1"), at(3, 4, Proven, "", ".2"), at(end, end, Proven, ".2", ".2"),
		}, porcupine.Ok},
		{"unknown and applied twice", History{
			at(1, 2, Unknown, "", ".1"), at(3, 4, Proven, ".1", ".2"), at(5, 6, Proven, ".1", ".2"),
		}, porcupine.Illegal},
		{"two unknown", History{
			at(1, 2, Unknown, "", ".1"), at(1, 2, Unknown, "", ".1"), at(3, 4, Proven, ".1", ".2"), at(5, 6, Proven, ".1", ".2"),
		}, porcupine.Ok},
		{"unknown, applied before its call", History{
			at(1, 2, Proven, ".1", ".2"), at(3, 4, Unknown, "", ".1"),
		}, porcupine.Illegal},
		{"unknown, called while the other ran", History{
			at(1, 4, Proven, ".1", ".2"), at(3, 4, Unknown, "", ".1"),
		}, porcupine.Ok},
		{"unknown, and too late for the next but one", History{
			at(1, 4, Proven, ".1", ".2"), at(1, 2, Proven, ".2", ".3"), at(3, 4, Unknown, "", ".1"),
		}, porcupine.Illegal},
	} {
		t.Run(test.name, func(t *testing.T) {
			if v := test.h.Judge(time.Minute); v.CheckResult != test.want {
				t.Errorf("%s, want %s", v.CheckResult, test.want)
			}
		})
	}
}

// naive is the model without the economy of [History.model]: what is unknown may
// take effect until the end of time, that is, also after everything else.
func (h History) naive() bool {
	model := porcupine.Model{
		Init: func() any { return "" },
		Step: func(s, input, _ any) (bool, any) {
			o := input.(Operation)
			return o.Effect != Proven || s == o.Old, o.New
		},
	}
	var operations []porcupine.Operation
	for i, o := range h {
		p := porcupine.Operation{ClientId: i, Input: o, Call: int64(o.Call), Return: int64(o.Reply)}
		if o.Effect == Unknown {
			p.Return = int64(time.Hour)
		}
		operations = append(operations, p)
	}
	return porcupine.CheckOperations(model, operations)
}

// The economical model agrees with the naive one on any history.
func TestModelsAgree(t *testing.T) {
	const seed = 9
	random := rand.New(rand.NewPCG(seed, seed))
	values := []string{"", ".1", ".2"}
	var counts [2]int
	for range 5000 {
		var h History
		for range 2 + random.IntN(6) {
			call := random.IntN(12)
			h = append(h, at(call, call+random.IntN(6), Effect(random.IntN(3)), values[random.IntN(3)], values[random.IntN(3)]))
		}
		want := h.naive()
		if got := h.Judge(time.Minute).CheckResult == porcupine.Ok; got != want {
			t.Fatalf("%t, and %t by the naive model:\n%v", got, want, h)
		}
		if want {
			counts[0]++
		} else {
			counts[1]++
		}
	}
	if min(counts[0], counts[1]) < 500 {
		t.Errorf("%d good and %d bad histories", counts[0], counts[1])
	}
}

// A stop of the nameserver makes many operations unknown at once.
func TestJudgeManyUnknown(t *testing.T) {
	var h History
	for i := range 60 {
		h = append(h, at(1, 4, Unknown, "", fmt.Sprintf(".%d", i%3)))
	}
	for i := range 30 {
		h = append(h, at(5+i, 7+i, Proven, fmt.Sprintf(".%d", i%3), fmt.Sprintf(".%d", (i+2)%3)))
	}
	if v := h.Judge(time.Minute); v.CheckResult != porcupine.Ok {
		t.Error(v.CheckResult)
	}
	h = append(h, at(50, 51, Proven, ".4", ".1"))
	if v := h.Judge(time.Minute); v.CheckResult != porcupine.Illegal {
		t.Error(v.CheckResult)
	}
}

func TestDescribe(t *testing.T) {
	v := History{
		at(3, 4, Proven, "", ".2"),
		at(1, 2, Proven, "", ".1"),
		{Client: "b", Call: time.Second, Reply: 5 * time.Second, New: ".3", UnknownCause: "504"},
		at(6, 7, Written, "", ".1"),
	}.Judge(time.Minute)
	incidents := []Incident{
		{"nameserver", "killed", 2 * time.Second, 3 * time.Second},
		{"nameserver", "stopped", 20 * time.Second, 21 * time.Second},
	}
	const want = `   1.000000    2.000000  a          none -> .1
   1.000000    5.000000  b          perhaps -> .3 (504)
   2.000000    3.000000  nameserver KILLED
   3.000000    4.000000  a          none -> .2
   6.000000    7.000000  a          ? -> .1
no order explains more than 1 of the operations whose outcome is known
`
	if got := v.Describe(incidents); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	path := filepath.Join(t.TempDir(), "page.html")
	if err := v.Visualize(path, incidents); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(page), "perhaps -\\u003e .3 (504)") || !strings.Contains(string(page), "killed") {
		t.Errorf("%v, %d octets", err, len(page))
	}
}
