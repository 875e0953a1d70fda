//go:build integration && linux

package packaging

import (
	"strings"
	"testing"

	"github.com/caddy-dyndns/dyndns/internal/await"
)

// asUser begins lines for the shell that a user without root runs in a folder of its own.
const asUser = "setpriv --reuid router --regid router --init-groups env -C /home/router HOME=/home/router XDG_RUNTIME_DIR=/run/user/router bash -e -c "

// quote quotes lines for the shell.
func quote(lines string) string { return "'" + strings.ReplaceAll(lines, "'", `'\''`) + "'" }

// prepareUser makes a user without root who has podman and the files of the release.
func prepareUser(t *testing.T) {
	t.Helper()
	// The engine runs without a session of systemd. 198.51.100.1 is the documents' machine.
	write(t, "/etc/containers/containers.conf", "[engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n[containers]\ncgroups = \"disabled\"\n")
	shell(t, `useradd --create-home router
		install -d -o router /run/user/router
		cp *.tar.gz /home/router
		ip address add 198.51.100.1/32 dev lo
		sysctl -q net.ipv4.ip_unprivileged_port_start=53`)
}

// The container as the documentation has it, from the archive to a record that outlives the
// container, built and run without root and without a registry.
func TestContainer(t *testing.T) {
	if !inMachine(t) {
		return
	}
	blocks := section(t, "A container", 2)
	prepareUser(t)
	build, run, ok := strings.Cut(blocks[0].Text, "podman run ")
	if !ok {
		t.Fatal("nothing is run")
	}
	shell(t, asUser+quote(build+"\necho -n $HOME_TOKEN > ~/token"))
	folder := "/home/router/caddy-dyndns_" + version + "_linux_" + architecture()
	options(t, folder+"/Caddyfile", ownAuthority)
	token := shell(t, "cat /home/router/token")
	start := func() *service {
		t.Helper()
		shell(t, asUser+quote("cd "+folder+"\nexport HOME_TOKEN=$(cat ~/token)\npodman run "+run))
		await.Done(t, "its health", func() error { _, err := command(t, asUser+quote(blocks[1].Text)); return err })
		return newService(t, token)
	}

	s := start()
	await.Done(t, "the certificate", func() error { _, err := s.update("first", 0); return err })
	for _, way := range []string{"+notcp", "+tcp"} {
		expect(t, "dig +short "+way+" @198.51.100.1 first.home.dyn.example.com", "192.0.2.1")
	}
	expect(t, "curl -sk --resolve dyndns.example.com:443:198.51.100.1 https://dyndns.example.com/ip", "198.51.100.1")
	pid := strings.TrimSpace(shell(t, asUser+quote("podman inspect -f '{{.State.Pid}}' caddy-dyndns")))
	expect(t, "awk '/^Cap(Eff|Bnd)/ { print $2 }' /proc/"+pid+"/status", "0000000000000400\n0000000000000400")
	expect(t, asUser+quote("podman unshare cat /proc/"+pid+"/status | awk '/^Uid/ { print $2 }'"), "65532")
	expect(t, "find /proc/"+pid+"/root/usr -type f -printf '%P\\n'", "bin/caddy")

	shell(t, asUser+quote("podman rm --force --time 30 caddy-dyndns"))
	s = start()
	if reply, err := s.update("first", 0); reply != "nochg 192.0.2.1" {
		t.Errorf("in a new container: %q, %v", reply, err)
	}
	shell(t, asUser+quote("podman rm --force --time 30 caddy-dyndns"))

	compose := section(t, "Compose", 1)
	t.Log(shell(t, asUser+quote(compose[0].Text))) // podman-compose fails with success
	s = newService(t, strings.TrimSpace(shell(t, "sed s/HOME_TOKEN=// "+folder+"/.env")))
	await.Done(t, "the certificate", func() error { _, err := s.update("composed", 1); return err })
	expect(t, "dig +short @198.51.100.1 composed.home.dyn.example.com", "192.0.2.2")
	shell(t, asUser+quote("podman healthcheck run $(podman ps --quiet)"))
}
