package main

import (
	"io"
	"strings"
	"testing"
)

func TestTally(t *testing.T) {
	rows := []struct {
		name           string
		events         string
		passed, failed int
	}{
		{"nothing", ``, 0, 0},
		{"test with subtest", `{"Action":"pass","Package":"p","Test":"T/a"}{"Action":"pass","Package":"p","Test":"T"}{"Action":"pass","Package":"p"}`, 2, 0},
		{"failed test fails its package too", `{"Action":"fail","Package":"p","Test":"T"}{"Action":"fail","Package":"p"}`, 0, 1},
		{"package that does not compile", `{"ImportPath":"p","Action":"build-fail"}{"Action":"fail","Package":"p"}`, 0, 1},
		{"panic outside tests", `{"Action":"output","Package":"p","Output":"panic"}{"Action":"fail","Package":"p"}`, 0, 1},
		{"skipped test", `{"Action":"skip","Package":"p","Test":"T"}{"Action":"pass","Package":"p"}`, 0, 1},
		{"no test files", `{"Action":"skip","Package":"p"}`, 0, 0},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			passed, failed, err := tally(strings.NewReader(row.events), io.Discard)
			if err != nil || passed != row.passed || failed != row.failed {
				t.Errorf("%d passed, %d failed (%v), want %d and %d", passed, failed, err, row.passed, row.failed)
			}
		})
	}
	if _, _, err := tally(strings.NewReader("no JSON"), io.Discard); err == nil {
		t.Error("text that is no JSON is accepted")
	}
}
