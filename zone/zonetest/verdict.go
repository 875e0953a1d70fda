package zonetest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// Verdict is what porcupine says about a history.
type Verdict struct {
	porcupine.CheckResult
	history History
	model   porcupine.Model
	info    porcupine.LinearizationInfo
	clients map[string]int
}

// Judge checks a history. It gives up after the time.
func (h History) Judge(timeout time.Duration) Verdict {
	v := Verdict{history: slices.Clone(h), clients: map[string]int{}}
	slices.SortFunc(v.history, func(a, b Operation) int { return cmp.Compare(a.Call, b.Call) })
	var operations []porcupine.Operation
	for _, o := range v.history {
		client, seen := v.clients[o.Client]
		if !seen {
			client = len(v.clients)
			v.clients[o.Client] = client
		}
		if o.Effect != Unknown {
			operations = append(operations, porcupine.Operation{
				ClientId: client, Input: o, Call: int64(o.Call), Return: int64(o.Reply),
			})
		}
	}
	v.model = v.history.model()
	v.CheckResult, v.info = porcupine.CheckOperationsVerbose(v.model, operations, timeout)
	return v
}

// Incident is a fault that a history may be explained by.
type Incident struct {
	Where, What string
	// Begin and End are times since the run began.
	Begin, End time.Duration
}

func (i Incident) String() string {
	return fmt.Sprintf("%11.6f %11.6f  %-10s %s", i.Begin.Seconds(), i.End.Seconds(), i.Where, strings.ToUpper(i.What))
}

// Describe returns the history in the order of the calls, with the incidents that fell
// into its time.
func (v Verdict) Describe(incidents []Incident) string {
	type line struct {
		at   time.Duration
		text string
	}
	var lines []line
	var last time.Duration
	for _, o := range v.history {
		lines = append(lines, line{o.Call, o.String()})
		last = max(last, o.Reply)
	}
	for _, i := range incidents {
		if i.End >= v.history[0].Call && i.Begin <= last {
			lines = append(lines, line{i.Begin, i.String()})
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(a.at, b.at) })
	var text strings.Builder
	for _, l := range lines {
		text.WriteString(l.text + "\n")
	}
	longest := 0
	for _, partition := range v.info.PartialLinearizations() {
		for _, order := range partition {
			longest = max(longest, len(order))
		}
	}
	fmt.Fprintf(&text, "no order explains more than %d of the operations whose outcome is known\n", longest)
	return text.String()
}

// Visualize writes porcupine's page about the history into a file.
func (v Verdict) Visualize(path string, incidents []Incident) error {
	var annotations []porcupine.Annotation
	for _, o := range v.history {
		if o.Effect == Unknown {
			annotations = append(annotations, porcupine.Annotation{
				ClientId: v.clients[o.Client], Start: int64(o.Call), End: int64(o.Reply), Description: o.String(),
			})
		}
	}
	for _, i := range incidents {
		annotations = append(annotations, porcupine.Annotation{
			Tag: i.Where, Start: int64(i.Begin), End: int64(i.End), Description: i.What,
		})
	}
	v.info.AddAnnotations(annotations)
	return porcupine.VisualizePath(v.model, v.info, path)
}
