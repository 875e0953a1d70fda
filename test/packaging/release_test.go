//go:build integration && linux

// Package packaging tests the ways to get the program without compiling it, as
// docs/install.md has them.
package packaging

import (
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// version is the one in the documents.
const version = "0.1.0"

func TestMain(m *testing.M) {
	code := m.Run()
	if released != "" {
		os.RemoveAll(released)
	}
	os.Exit(code)
}

// released is the folder of a release, once it was made.
var released string

var makeRelease = sync.OnceValue(func() error {
	step, err := script("release.yml", "Build the files")
	if err != nil {
		return err
	}
	if released, err = os.MkdirTemp("", "release"); err != nil {
		return err
	}
	build := exec.Command("bash", "-ec", step)
	build.Dir = repository
	// Of this machine's architecture alone. With -trimpath all of Caddy would be compiled anew.
	build.Env = append(os.Environ(), "GITHUB_REF_NAME=v"+version, "OUT="+released, "ARCHITECTURES="+architecture(), "BUILD_FLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
})

// release returns a folder with the files of a release.
func release(t *testing.T) string {
	t.Helper()
	if folder := os.Getenv(inside); folder != "" {
		return folder
	}
	if err := makeRelease(); err != nil {
		t.Fatal(err)
	}
	return released
}

// architecture is this machine's, as the files of a release call it.
func architecture() string {
	if runtime.GOARCH == "arm" {
		return "armv7"
	}
	return runtime.GOARCH
}

// The files of a release are complete, and the program needs no library.
func TestRelease(t *testing.T) {
	name := "caddy-dyndns_" + version + "_linux_" + architecture()
	expect(t, "ls", strings.Join([]string{"SHA256SUMS", "caddy-dyndns_" + version + "_" + strings.TrimSpace(shell(t, "dpkg --print-architecture")) + ".deb", name + ".cdx.json", name + ".tar.gz"}, "\n"))
	shell(t, section(t, "Install", 1)[0].Text)
	if lines := strings.Count(shell(t, "cat SHA256SUMS"), "\n"); lines != 3 {
		t.Errorf("%d files have checksums, want 3", lines)
	}

	// The lines of the page, for a folder that is not the machine's.
	dir := t.TempDir()
	lines := section(t, "A program", 1)[0].Text
	shell(t, "cp *.tar.gz "+dir+"; cd "+dir+"\n"+strings.ReplaceAll(lines, "/usr/bin/caddy", dir+"/caddy"))
	program, err := elf.Open(filepath.Join(dir, "caddy"))
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	if slices.ContainsFunc(program.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		t.Error("the program is not linked statically")
	}
	if modules := shell(t, dir+"/caddy list-modules"); !strings.Contains(modules, "\nhttp.handlers.dyndns\n") {
		t.Errorf("the program has the modules\n%s", modules)
	}

	var sbom struct {
		BOMFormat  string
		Components []struct{ Name, Version string }
	}
	text, err := os.ReadFile(filepath.Join(release(t), name+".cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &sbom); err != nil {
		t.Fatal(err)
	}
	built := shell(t, "go version -m "+dir+"/caddy")
	if sbom.BOMFormat != "CycloneDX" || len(sbom.Components) < strings.Count(built, "\tdep\t") {
		t.Errorf("an SBOM of the format %q has %d components, the program %d", sbom.BOMFormat, len(sbom.Components), strings.Count(built, "\tdep\t"))
	}
	for _, c := range sbom.Components {
		if c.Name != "std" && !strings.Contains(built, "\t"+c.Name+"\t"+c.Version) {
			t.Errorf("%s %s is not in the program", c.Name, c.Version)
		}
	}
}

// No release has another name than its version, or files of another one.
func TestReleaseRefuses(t *testing.T) {
	for _, lines := range []string{"dist/release", "dist/release 0.1.0", "dist/release v0.1.0/..", "OUT=dist dist/release v0.1.0"} {
		if out, err := command(t, "cd "+repository+"; "+lines); err == nil {
			t.Errorf("%s: %s", lines, out)
		}
	}
}
