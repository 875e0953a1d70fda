package pages

import (
	"slices"
	"time"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/internal/address"
	"github.com/caddy-dyndns/dyndns/internal/history"
)

// ParamRotate asks PathHosts, by POST, for a new token.
const ParamRotate = "rotate"

// Names of the fields of a host's form and the values of ParamDo.
const (
	ParamDo   = "do"
	DoAddress = "address" // the host gets the visitor's address
	DoDelete  = "delete"  // its addresses are removed
)

// staleAfter is how long a host may be silent: ddclient and inadyn say what is unchanged
// once in 30 days.
const staleAfter = 31 * 24 * time.Hour

// statusOf returns in one word how a host is: new, failing, refused, stale, private or current.
func statusOf(h *history.Host, refusals []history.Refusal, now time.Time) string {
	refused := slices.ContainsFunc(refusals, func(r history.Refusal) bool { return r.Name == h.Name && r.At.After(h.Last) })
	switch {
	case refused, h.LastResult == "refused":
		return "refused"
	case h.LastResult == "":
		return "new"
	case h.LastResult == "failed":
		return "failing"
	case now.Sub(h.Last) > staleAfter:
		return "stale"
	case slices.ContainsFunc(present(h.Current), address.PrivateText):
		return "private"
	}
	return "current"
}

// notes say more of a status than its word.
var notes = map[string]string{
	"new":     "Nothing was submitted for this host yet.",
	"refused": "What was asked for last was refused. Why, and what to do, stands below.",
	"failing": "The last update did not get through. Why, and what to do, stands below.",
	"stale":   "Nothing was said of this host for a month. Is its router still set up?",
	"private": "An address of this host is private: nobody outside its network reaches it. The router may stand behind another one, or its provider gives it no address of its own. Let the router report the address that it comes from, or use IPv6.",
}

// shownHost is a host with its status.
type shownHost struct {
	history.Host
	Status string `json:"status"`
}

// Hosts is the page of that number of the hosts of a client, of which there are total, with
// its last refusals.
func Hosts(client *clients.Client, hosts []history.Host, refusals []history.Refusal, number, total int, now time.Time) Page {
	refusals = named(client, refusals)
	all := make([]shownHost, len(hosts))
	for i, h := range hosts {
		all[i] = shownHost{h, statusOf(&h, refusals, now)}
	}
	return Page{"hosts", PathHosts, "Updates by host", struct {
		Client   string         `json:"-"`
		Owner    bool           `json:"-"`
		Hosts    []shownHost    `json:"hosts"`
		Refusals []shownRefusal `json:"refusals"`
		List
	}{client.Name, client.Owner(), all, shown(refusals), newList(number, total)}}
}

// Token is the page that shows a new token, this once; the old ones are valid until then.
func Token(token string, until time.Time) Page {
	return Page{"token", "", "A new token", struct {
		Token string    `json:"token"`
		Until time.Time `json:"others_expire"`
	}{token, until}}
}

// Details are what the page of a host shows beside its history.
type Details struct {
	// Now is what its nameserver says, or Error why it says nothing.
	Now   []history.Current `json:"nameserver"`
	Error string            `json:"nameserver_error,omitempty"`
	// Reader is whose password was given, Refusals are all of theirs: the page shows those of the
	// host.
	Reader   *clients.Client   `json:"-"`
	Refusals []history.Refusal `json:"-"`
	// Notice says what became of a button, Failed that it did not do what it should.
	Notice string `json:"-"`
	Failed bool   `json:"-"`
	// Granted tells that the client may change it, and not only by a prefix; Visitor is
	// the visitor's address, empty if it is unknown.
	Granted bool   `json:"-"`
	Visitor string `json:"-"`
	// Expires tells when an address is removed that nobody confirms, and whether.
	Expires func(history.Current) (time.Time, bool) `json:"-"`
}

// Host is the page of one host.
func Host(h history.Host, d Details, now time.Time) Page {
	for i := range h.Current {
		if at, ok := d.Expires(h.Current[i]); ok {
			h.Current[i].Expires = at
		}
	}
	d.Refusals = slices.DeleteFunc(named(d.Reader, d.Refusals), func(r history.Refusal) bool { return r.Name != h.Name })
	return Page{"host", PathHosts, bare(h.Name), struct {
		shownHost
		Details
		Refusals []shownRefusal `json:"refusals"`
	}{shownHost{h, statusOf(&h, d.Refusals, now)}, d, shown(d.Refusals)}}
}
