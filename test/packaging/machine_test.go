//go:build integration && linux

package packaging

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/caddy-dyndns/dyndns/internal/await"
)

// inside is set in the processes of a machine.
const inside = "DYNDNS_TEST_MACHINE"

// repository is the root of the source.
var repository, _ = filepath.Abs("../..")

// inMachine runs the whole test once more in a copy of this Debian machine that systemd has
// booted, and returns true there. What a test does to that machine is gone with it. It needs
// root, or sudo without a password.
func inMachine(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inside) != "" {
		return true
	}
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Parallel()
	init := boot(t, repository, release(t), filepath.Dir(binary))
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	run := privileged("nsenter", "--all", "--target", init, "--",
		"env", "-C", here, inside+"="+release(t), "HOME=/root", binary, "-test.run=^"+t.Name()+"$", "-test.v")
	if out, err := run.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("in the machine: %v\n%s", err, out)
	} else {
		t.Logf("in the machine:\n%s", out)
	}
	return false
}

// boot starts a machine that shares the folders, and returns the process of its systemd.
func boot(t *testing.T, shared ...string) (init string) {
	t.Helper()
	var log bytes.Buffer
	unshare := "unshare --mount --net --pid --ipc --uts --cgroup --fork --kill-child=KILL"
	machine := privileged("sh", append([]string{"-c", "echo $$; exec " + unshare + ` sh boot.sh "$@" >&2`, "sh"}, shared...)...)
	machine.Stderr = &log
	machine.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := machine.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := machine.Start(); err != nil {
		t.Fatal(err)
	}
	var parent int
	if _, err := fmt.Fscanln(out, &parent); err != nil {
		t.Fatalf("no machine without root: %v, %v\n%s", err, machine.Wait(), log.String())
	}
	t.Cleanup(func() {
		if err := privileged("kill", "-KILL", strconv.Itoa(parent)).Run(); err != nil {
			t.Error(err)
		}
		_ = machine.Wait() // it was killed
		if t.Failed() {
			t.Log(log.String())
		}
	})
	await.Done(t, "the machine", func() error {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", parent))
		if err != nil {
			return err
		}
		if init = strings.TrimSpace(string(children)); init == "" {
			return errors.New("no process yet")
		}
		out, err := privileged("nsenter", "--all", "--target", init, "systemctl", "is-active", "sysinit.target").CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	return init
}

func privileged(name string, args ...string) *exec.Cmd {
	if os.Geteuid() == 0 {
		return exec.Command(name, args...)
	}
	return exec.Command("sudo", append([]string{"-n", name}, args...)...)
}
