//go:build integration && linux

package instances

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-dyndns/dyndns/clients/manage"
	"github.com/caddy-dyndns/dyndns/internal/await"
)

// manage sends a request to the admin API for clients and returns the status and the body.
func (p *process) manage(method, path, body string) (int, string, error) {
	r, err := http.NewRequest(method, p.admin+"/dyndns/clients"+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

// newToken has a token made; with others set to a duration, those of before end after it.
func (p *process) newToken(name, others string) (string, error) {
	status, body, err := p.manage(http.MethodPost, "/"+name+"/tokens", fmt.Sprintf(`{"others_expire_in":%q}`, others))
	if err != nil {
		return "", err
	}
	var made manage.NewToken
	if err := json.Unmarshal([]byte(body), &made); err != nil || status != http.StatusCreated {
		return "", fmt.Errorf("%d %s", status, body)
	}
	return made.Token, nil
}

// customerHost is the host of a customer.
func customerHost(name string) string { return name + "." + zone }

// update asks with a token and returns the word of the reply.
func (p *process) update(name, token string) string {
	p.Helper()
	r, err := http.NewRequest(http.MethodGet, p.url+"/nic/update?hostname="+customerHost(name)+"&myip=192.0.2.1", nil)
	if err != nil {
		p.Fatal(err)
	}
	r.SetBasicAuth("any", token)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		p.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		p.Fatal(err)
	}
	word, _, _ := strings.Cut(string(body), " ")
	return word
}

func (p *process) create(name string) error {
	status, body, err := p.manage(http.MethodPut, "/"+name, fmt.Sprintf(`{"hosts":[%q]}`, customerHost(name)))
	if err == nil && status != http.StatusCreated && status != http.StatusOK {
		err = fmt.Errorf("%d %s", status, body)
	}
	return err
}

// Two instances with one storage have the same customers: what one changed counts there
// at once, and on the other within the time that its memory says.
func TestCustomersOfTwoInstances(t *testing.T) {
	c := newCluster(t)
	first, second := c.start("data"), c.start("other")
	if err := first.create("ada"); err != nil {
		t.Fatal(err)
	}
	old, err := first.newToken("ada", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []*process{second, first} {
		if got := p.update("ada", old); got != "good" && got != "nochg" {
			t.Errorf("the new customer: %s", got)
		}
	}
	token, err := first.newToken("ada", "0s")
	if err != nil {
		t.Fatal(err)
	}
	rotated := time.Now()
	if got := first.update("ada", old); got != "badauth" {
		t.Errorf("the old token where it was rotated: %s", got)
	}
	if got := second.update("ada", token); got != "nochg" {
		t.Errorf("the new token on the other instance: %s", got)
	}
	await.Done(t, "the end of the old token", func() error {
		if got := second.update("ada", old); got != "badauth" {
			return fmt.Errorf("got %s", got)
		}
		return nil
	})
	if took := time.Since(rotated); took > 1500*time.Millisecond {
		t.Errorf("the old token lived on for %v, with a memory of 1s", took)
	}
	if status, body, err := second.manage(http.MethodDelete, "/ada", ""); status != 200 || err != nil {
		t.Fatalf("%d %s %v", status, body, err)
	}
	if got := second.update("ada", token); got != "badauth" {
		t.Errorf("a customer who was removed there: %s", got)
	}
}

// customer makes one customer come, change and go until the process is killed, and keeps
// what was acknowledged.
type customer struct {
	name    string
	token   string   // valid, empty if that is not known
	revoked []string // of which the end was acknowledged
}

// live returns when the process is gone. It tells of each end of a token that was acknowledged.
func (c *customer) live(p *process, acknowledged func()) {
	for {
		if p.create(c.name) != nil {
			return
		}
		for range 3 {
			old := c.token
			c.token = "" // until it is known whether it ended
			next, err := p.newToken(c.name, "0s")
			if err != nil {
				return
			}
			c.token = next
			if old != "" {
				c.revoked = append(c.revoked, old)
				acknowledged()
			}
		}
		old := c.token
		c.token = ""
		if status, _, err := p.manage(http.MethodDelete, "/"+c.name, ""); err != nil || status != http.StatusOK {
			return
		}
		c.revoked = append(c.revoked, old)
		acknowledged()
	}
}

// Where processes are killed between two writes, what was acknowledged holds, nobody has
// more rights than before, and the same request again completes it.
func TestCustomersKilled(t *testing.T) {
	c := newCluster(t)
	other := c.start("other")
	victims := []*process{c.start("data0"), c.start("data1"), c.start("data2")}
	var all sync.WaitGroup
	for i, victim := range victims {
		all.Go(func() { killed(t, victim, other, fmt.Sprintf("customer-%d", i)) })
	}
	all.Wait()
}

// killed kills a process that makes customers come, change and go, and asks another
// process of them.
func killed(t *testing.T, victim, other *process, prefix string) {
	customers := make([]customer, 16)
	var (
		all  sync.WaitGroup
		left atomic.Int64 // until the kill, which meets the others anywhere
	)
	left.Store(20 + rand.Int64N(100))
	for i := range customers {
		customers[i].name = fmt.Sprintf("%s-%d", prefix, i)
		all.Go(func() {
			customers[i].live(victim, func() {
				if left.Add(-1) == 0 {
					_ = victim.cmd.Process.Kill()
				}
			})
		})
	}
	all.Wait()
	_ = victim.cmd.Wait()
	for i := range customers {
		k := &customers[i]
		for _, token := range k.revoked {
			if got := other.update(k.name, token); got != "badauth" {
				t.Errorf("%s: a token of which the end was acknowledged: %s", k.name, got)
			}
		}
		if k.token != "" {
			if got := other.update(k.name, k.token); got != "good" && got != "nochg" {
				t.Errorf("%s: a token that was acknowledged: %s", k.name, got)
			}
		}
		// The locks of the process that is gone are taken over after some ten seconds.
		all.Go(func() {
			if err := other.create(k.name); err != nil {
				t.Errorf("%s again: %v", k.name, err)
				return
			}
			token, err := other.newToken(k.name, "0s")
			if err != nil {
				t.Errorf("a token for %s again: %v", k.name, err)
				return
			}
			if got := other.update(k.name, token); got != "good" && got != "nochg" {
				t.Errorf("%s again: %s", k.name, got)
			}
		})
	}
	all.Wait()
}
