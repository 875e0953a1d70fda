package nameserver

import (
	"bufio"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/authority"
	"github.com/caddy-dyndns/dyndns/zone"
)

// crashVariable has TestCrash be the process that is killed, with that database.
const crashVariable = "NAMESERVER_CRASH_DATABASE"

// crashNames is how many names are changed at once, each again and again to a greater number.
const crashNames = 20

func crashAddress(n int) string { return fmt.Sprintf("10.%d.%d.%d", n>>16, n>>8&255, n&255) }

func crashNumber(address string) (n int) {
	var a, b, c int
	fmt.Sscanf(address, "10.%d.%d.%d", &a, &b, &c)
	return a<<16 | b<<8 | c
}

// snapshot returns the serial and what stands for all that is served under it.
func snapshot(s *Server) string {
	var records []string
	var serial uint32
	s.table.Load().zones[apex].read(func(_ *configuration, data *authority.Zone) {
		serial = data.SOA().Serial
		for i := range crashNames {
			for _, rr := range data.Records(fmt.Sprintf("n%d.%s", i, apex), dns.TypeA) {
				records = append(records, rr.String())
			}
		}
	})
	hash := fnv.New64()
	fmt.Fprint(hash, records)
	return fmt.Sprintf("%d %016x", serial, hash.Sum64())
}

// crashChild changes names until it is killed, and tells what was acknowledged and what
// was seen.
func crashChild(t *testing.T, database string) {
	s := reopen(t, database, testConfig())
	var mu sync.Mutex
	tell := func(format string, values ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf(format+"\n", values...)
	}
	for i := range crashNames {
		go func() {
			name := fmt.Sprint("n", i)
			for n := crashNumber(values(s, name, dns.TypeA)) + 1; ; n++ {
				r := s.Zone(apex).Apply(t.Context(), []zone.Change{set(name, crashAddress(n))})[0]
				if r.Err != nil {
					tell("error %v", r.Err)
					return
				}
				tell("acknowledged %d %d", i, n)
			}
		}()
	}
	for {
		tell("seen %s", snapshot(s))
	}
}

// TestCrash kills a server again and again while it writes. Nothing that was
// acknowledged is lost, and no serial is used twice for different data.
func TestCrash(t *testing.T) {
	if database := os.Getenv(crashVariable); database != "" {
		crashChild(t, database)
	}
	database := filepath.Join(t.TempDir(), "zones.db")
	seen := make(map[string]string) // serial to data
	see := func(snapshot string) {
		serial, data, _ := strings.Cut(snapshot, " ")
		if was, ok := seen[serial]; ok && was != data {
			t.Errorf("the serial %s stands for two versions", serial)
		}
		seen[serial] = data
	}
	random := rand.New(rand.NewPCG(1, 1))
	total := 0
	for range 20 {
		acknowledged := make(map[int]int)
		cmd := exec.Command(os.Args[0], "-test.run", "^TestCrash$")
		cmd.Env = append(os.Environ(), crashVariable+"="+database)
		output, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		left := 1 + random.IntN(100)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			word, rest, _ := strings.Cut(lines.Text(), " ")
			var i, n int
			switch word {
			case "acknowledged":
				fmt.Sscan(rest, &i, &n)
				acknowledged[i] = n
				total++
				if left--; left == 0 {
					if err := cmd.Process.Kill(); err != nil {
						t.Fatal(err)
					}
				}
			case "seen":
				// The last line may be cut off.
				if data := strings.Fields(rest); len(data) == 2 && len(data[1]) == 16 {
					see(rest)
				}
			case "error", "---", "FAIL":
				t.Errorf("the process says: %s", lines.Text())
			}
		}
		_ = cmd.Wait() // it was killed
		s := reopen(t, database, testConfig())
		see(snapshot(s))
		for i, n := range acknowledged {
			// One more may have been on its way.
			if got := crashNumber(values(s, fmt.Sprint("n", i), dns.TypeA)); got < n || got > n+1 {
				t.Errorf("n%d was acknowledged as %d and is %d", i, n, got)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d changes, %d serials", total, len(seen))
	if len(seen) < 30 {
		t.Errorf("there were %d serials", len(seen))
	}
}
