//go:build integration && linux

package packaging

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// workflow is what the tests read of a file in .github/workflows.
type workflow struct {
	Permissions map[string]string
	Jobs        map[string]struct {
		Steps []struct {
			Name, Uses, Run string
		}
	}
}

func readWorkflow(file string) (workflow, error) {
	var w workflow
	text, err := os.ReadFile(filepath.Join(repository, ".github", "workflows", file))
	if err != nil {
		return w, err
	}
	return w, yaml.Unmarshal(text, &w)
}

// script returns what a named step of a workflow runs.
func script(file, name string) (string, error) {
	w, err := readWorkflow(file)
	if err != nil {
		return "", err
	}
	for _, job := range w.Jobs {
		for _, step := range job.Steps {
			if step.Name == name && step.Run != "" {
				return step.Run, nil
			}
		}
	}
	return "", fmt.Errorf("%s has no step %q", file, name)
}

var pinned = regexp.MustCompile(`uses: [\w/-]+@[0-9a-f]{40} # v[0-9.]+\n`)

// Workflows use actions at commits, may do what they say and nothing else, and each of
// their steps is one that a test runs or that installs packages.
func TestWorkflows(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(repository, ".github", "workflows", "*"))
	if err != nil {
		t.Fatal(err)
	}
	run := map[string]bool{
		"dist/release \"$GITHUB_REF_NAME\"": true, // by release
		"test/run":                          true,
		"apt-get update\napt-get install -y --no-install-recommends ca-certificates git gcc libc6-dev\n": true,
	}
	publish, err := script("release.yml", "Publish them")
	if err != nil {
		t.Fatal(err)
	}
	run[publish] = true // by TestPublish
	for _, path := range paths {
		w, err := readWorkflow(filepath.Base(path))
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if uses := strings.Count(string(text), "uses:"); uses == 0 || len(pinned.FindAll(text, -1)) != uses {
			t.Errorf("%s: of %d actions not all are those of a commit with its version", path, uses)
		}
		if len(w.Permissions) != 1 || len(w.Jobs) != 1 {
			t.Errorf("%s has the permissions %v and %d jobs", path, w.Permissions, len(w.Jobs))
		}
		for _, job := range w.Jobs {
			for _, step := range job.Steps {
				if step.Run != "" && !run[step.Run] {
					t.Errorf("%s: no test runs %q", path, step.Run)
				}
			}
		}
	}
	if len(paths) != 2 {
		t.Errorf("the workflows are %q", paths)
	}
}

// The last step of a release hands every file to GitHub's program.
func TestPublish(t *testing.T) {
	publish, err := script("release.yml", "Publish them")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "gh"), "#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
	files := strings.Fields(shell(t, "ls"))
	out := shell(t, "chmod +x "+dir+"/gh; ln -s $PWD "+dir+"/out; cd "+dir+"\nPATH=.:$PATH GITHUB_REF_NAME=v0.1.0 GITHUB_REPOSITORY=caddy-dyndns/dyndns\n"+publish)
	want := []string{"release", "create", "v0.1.0", "--verify-tag", "--notes", "[Changes](https://github.com/caddy-dyndns/dyndns/blob/v0.1.0/CHANGELOG.md)"}
	for _, f := range files {
		want = append(want, "out/"+f)
	}
	if got := strings.Split(strings.TrimSpace(out), "\n"); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}
