// Command tally reads what "go test -json" prints: it shows a line per package
// and all that failed or skipped tests printed, and adds "<passed> <failed>" as
// a line to the file that it is given. A skipped test counts as failed.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
)

// event is documented with "go doc cmd/test2json".
type event struct {
	Action, Package, ImportPath, Test, Output string
	Elapsed                                   float64
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: go test -json | tally <file>")
	}
	passed, failed, err := tally(os.Stdin, os.Stdout)
	if err != nil {
		log.Fatal(err)
	}
	file, err := os.OpenFile(os.Args[1], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprintln(file, passed, failed)
	if err := file.Close(); err != nil {
		log.Fatal(err)
	}
	if failed > 0 {
		os.Exit(1)
	}
}

// tally counts tests and subtests. A package that fails without a failed test, as
// one that does not compile, counts as one.
func tally(r io.Reader, w io.Writer) (passed, failed int, err error) {
	output := map[string]*strings.Builder{} // by package and test
	perPackage := map[string]int{}          // failed ones
	for d := json.NewDecoder(r); ; {
		var e event
		switch err := d.Decode(&e); {
		case errors.Is(err, io.EOF):
			return passed, failed, nil
		case err != nil:
			return passed, failed, fmt.Errorf("reading the output of go test: %w", err)
		}
		key := e.Package + e.ImportPath + " " + e.Test
		switch e.Action {
		case "output", "build-output":
			if output[key] == nil {
				output[key] = new(strings.Builder)
			}
			output[key].WriteString(e.Output)
			continue
		case "build-fail":
			fmt.Fprint(w, output[key])
			continue
		case "pass":
			if e.Test != "" {
				passed++
			}
		case "fail", "skip":
			// A package without test files is skipped as a whole.
			if e.Test == "" && (e.Action == "skip" || perPackage[e.Package] > 0) {
				break
			}
			failed++
			perPackage[e.Package]++
			fmt.Fprintf(w, "%s: %s\n%s", strings.ToUpper(e.Action), key, output[key])
		default:
			continue
		}
		delete(output, key)
		if e.Test == "" && e.Action != "skip" {
			fmt.Fprintf(w, "%-4s %s (%.0fs)\n", e.Action, e.Package, e.Elapsed)
		}
	}
}
