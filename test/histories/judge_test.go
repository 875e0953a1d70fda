package histories

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
func at(call, reply int, e effect, old, wanted string) operation {
	return operation{client: "a", call: time.Duration(call) * time.Second, reply: time.Duration(reply) * time.Second, effect: e, old: old, new: wanted}
}

func TestJudge(t *testing.T) {
	const end = 100
	for _, test := range []struct {
		name string
		h    history
		want porcupine.CheckResult
	}{
		{"nothing", nil, porcupine.Ok},
		{"one after the other", history{
			at(1, 2, proven, "", ".1"), at(3, 4, proven, ".1", ".2"), at(5, 6, proven, ".2", ".2"), at(7, 8, proven, ".2", ""), at(end, end, proven, "", ""),
		}, porcupine.Ok},
		{"an old value that was never there", history{
			at(1, 2, proven, "", ".1"), at(3, 4, proven, ".3", ".2"),
		}, porcupine.Illegal},
		{"an old value that is gone", history{
			at(1, 2, proven, "", ".1"), at(3, 4, proven, ".1", ".2"), at(5, 6, proven, ".1", ".3"),
		}, porcupine.Illegal},
		{"one value replaced twice", history{
			at(1, 2, proven, "", ".1"), at(3, 9, proven, ".1", ".2"), at(3, 9, proven, ".1", ".3"),
		}, porcupine.Illegal},
		{"two at once in either order", history{
			at(1, 9, proven, "", ".1"), at(1, 9, proven, ".1", ".2"), at(end, end, proven, ".2", ".2"),
		}, porcupine.Ok},
		{"an order that the clock forbids", history{
			at(1, 2, proven, ".1", ".2"), at(3, 4, proven, "", ".1"),
		}, porcupine.Illegal},
		{"an acknowledged change is lost", history{
			at(1, 2, proven, "", ".1"), at(end, end, proven, "", ""),
		}, porcupine.Illegal},
		{"a late message undoes an acknowledged change", history{
			at(1, 2, proven, "", ".1"), at(3, 4, proven, ".1", ".2"), at(5, 6, proven, ".2", ".1"), at(end, end, proven, ".2", ".2"),
		}, porcupine.Illegal},
		{"equal values of two instances, one message lost", history{
			at(1, 2, proven, "", ".1"), at(3, 4, proven, ".1", ".3"), at(3, 5, proven, ".1", ".3"),
		}, porcupine.Illegal},
		{"the same without proof", history{
			at(1, 2, proven, "", ".1"), at(3, 4, proven, ".1", ".3"), at(3, 5, written, "", ".3"),
		}, porcupine.Ok},
		{"a blind write explains the old value", history{
			at(1, 2, written, "", ".1"), at(3, 4, proven, ".1", ".2"),
		}, porcupine.Ok},
		{"a blind write is not lost", history{
			at(1, 2, written, "", ".1"), at(3, 4, proven, "", ".2"),
		}, porcupine.Illegal},
		{"a blind write takes effect before its reply", history{
			at(1, 2, proven, "", ".1"), at(3, 4, written, "", ".2"), at(5, 6, proven, ".1", ".2"),
		}, porcupine.Illegal},
		{"unknown and applied late", history{
			at(1, 2, unknown, "", ".1"), at(3, 4, proven, "", ".2"), at(5, 6, proven, ".2", ".2"), at(7, 8, proven, ".1", ".3"),
		}, porcupine.Ok},
		{"unknown and never applied", history{
			at(1, 2, unknown, "", ".1"), at(3, 4, proven, "", ".2"), at(end, end, proven, ".2", ".2"),
		}, porcupine.Ok},
		{"unknown and applied twice", history{
			at(1, 2, unknown, "", ".1"), at(3, 4, proven, ".1", ".2"), at(5, 6, proven, ".1", ".2"),
		}, porcupine.Illegal},
		{"two unknown", history{
			at(1, 2, unknown, "", ".1"), at(1, 2, unknown, "", ".1"), at(3, 4, proven, ".1", ".2"), at(5, 6, proven, ".1", ".2"),
		}, porcupine.Ok},
		{"unknown, applied before its call", history{
			at(1, 2, proven, ".1", ".2"), at(3, 4, unknown, "", ".1"),
		}, porcupine.Illegal},
		{"unknown, called while the other ran", history{
			at(1, 4, proven, ".1", ".2"), at(3, 4, unknown, "", ".1"),
		}, porcupine.Ok},
		{"unknown, and too late for the next but one", history{
			at(1, 4, proven, ".1", ".2"), at(1, 2, proven, ".2", ".3"), at(3, 4, unknown, "", ".1"),
		}, porcupine.Illegal},
	} {
		t.Run(test.name, func(t *testing.T) {
			if v := test.h.judge(time.Minute); v.CheckResult != test.want {
				t.Errorf("%s, want %s", v.CheckResult, test.want)
			}
		})
	}
}

// naive is the model without the economy of [history.model]: what is unknown may
// take effect until the end of time, that is, also after everything else.
func (h history) naive() bool {
	model := porcupine.Model{
		Init: func() any { return "" },
		Step: func(s, input, _ any) (bool, any) {
			o := input.(operation)
			return o.effect != proven || s == o.old, o.new
		},
	}
	var operations []porcupine.Operation
	for i, o := range h {
		p := porcupine.Operation{ClientId: i, Input: o, Call: int64(o.call), Return: int64(o.reply)}
		if o.effect == unknown {
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
		var h history
		for range 2 + random.IntN(6) {
			call := random.IntN(12)
			h = append(h, at(call, call+random.IntN(6), effect(random.IntN(3)), values[random.IntN(3)], values[random.IntN(3)]))
		}
		want := h.naive()
		if got := h.judge(time.Minute).CheckResult == porcupine.Ok; got != want {
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
	var h history
	for i := range 60 {
		h = append(h, at(1, 4, unknown, "", fmt.Sprintf(".%d", i%3)))
	}
	for i := range 30 {
		h = append(h, at(5+i, 7+i, proven, fmt.Sprintf(".%d", i%3), fmt.Sprintf(".%d", (i+2)%3)))
	}
	if v := h.judge(time.Minute); v.CheckResult != porcupine.Ok {
		t.Error(v.CheckResult)
	}
	h = append(h, at(50, 51, proven, ".4", ".1"))
	if v := h.judge(time.Minute); v.CheckResult != porcupine.Illegal {
		t.Error(v.CheckResult)
	}
}

func TestDescribe(t *testing.T) {
	v := history{
		at(3, 4, proven, "", ".2"),
		at(1, 2, proven, "", ".1"),
		{client: "b", call: time.Second, reply: 5 * time.Second, new: ".3", unknownCause: "504"},
		at(6, 7, written, "", ".1"),
	}.judge(time.Minute)
	incidents := []incident{
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
	if got := v.describe(incidents); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	path := filepath.Join(t.TempDir(), "page.html")
	if err := v.visualize(path, incidents); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(page), "perhaps -\\u003e .3 (504)") || !strings.Contains(string(page), "killed") {
		t.Errorf("%v, %d octets", err, len(page))
	}
}
