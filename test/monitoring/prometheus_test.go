//go:build integration && linux

package monitoring

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/internal/await"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
)

// prometheus is a running one.
type prometheus struct {
	*testing.T
	url string
}

// factor is how much faster than in the rules time passes in the test.
const factor = 300

var (
	duration = regexp.MustCompile(`(\[|for: |offset )(\d+)([mhd])`)
	units    = map[string]time.Duration{"m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}
)

// startPrometheus runs Prometheus with the configuration of the example, but for its
// durations and where Caddy is.
func startPrometheus(t *testing.T, target string) *prometheus {
	t.Helper()
	dir := t.TempDir()
	rules := duration.ReplaceAllStringFunc(read(t, examples+"rules.yml"), func(text string) string {
		m := duration.FindStringSubmatch(text)
		n, err := strconv.Atoi(m[2])
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%s%dms", m[1], (time.Duration(n) * units[m[3]] / factor).Milliseconds())
	})
	config := strings.NewReplacer("interval: 15s", "interval: 100ms", "127.0.0.1:9180", "127.0.0.1:"+target).Replace(read(t, examples+"prometheus.yml"))
	for name, text := range map[string]string{"rules.yml": rules, "prometheus.yml": config} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	port := caddytest.ReservePort(t)
	cmd := exec.Command("prometheus", "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+port.Addr(), "--log.level=warn")
	caddytest.Start(t, cmd)
	p := &prometheus{t, "http://" + port.Addr()}
	await.Done(t, "Prometheus", func() error { return p.hasData(`up{job="dyndns"} == 1`) })
	return p
}

// get asks the API (https://prometheus.io/docs/prometheus/latest/querying/api/).
func (p *prometheus) get(path string, data any) error {
	res, err := http.Get(p.url + "/api/v1/" + path)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var reply struct {
		Data  json.RawMessage
		Error string
	}
	if err := json.NewDecoder(res.Body).Decode(&reply); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", res.Status, reply.Error)
	}
	return json.Unmarshal(reply.Data, data)
}

// awaitFiring waits until these alerts fire and no other does. One that ends or begins with
// them may do so a little later.
func (p *prometheus) awaitFiring(want ...string) {
	p.Helper()
	slices.Sort(want)
	await.Done(p, fmt.Sprintf("the alerts %q", want), func() error {
		var data struct {
			Alerts []struct {
				State  string
				Labels struct{ Alertname string }
			}
		}
		if err := p.get("alerts", &data); err != nil {
			return err
		}
		var firing []string
		for _, a := range data.Alerts {
			if a.State == "firing" {
				firing = append(firing, a.Labels.Alertname)
			}
		}
		if slices.Sort(firing); !slices.Equal(firing, want) {
			return fmt.Errorf("%q fire", firing)
		}
		return nil
	})
}
