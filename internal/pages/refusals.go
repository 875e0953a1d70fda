package pages

import (
	"slices"
	"time"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/internal/history"
	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/zone"
)

// shownRefusal is why a client was refused something, and what to do about it.
type shownRefusal struct {
	At    time.Time `json:"at"`
	Name  string    `json:"name,omitempty"`
	Cause string    `json:"cause"`
	Cure  string    `json:"cure"`
}

// named returns refusals of a client in which an address that was refused is one of its only
// host, if it has one alone: the request was not read to its names.
func named(client *clients.Client, refusals []history.Refusal) []history.Refusal {
	refusals, own := slices.Clone(refusals), client.HostNames()
	for i := range refusals {
		if r := &refusals[i]; r.Reason == service.BadAddress && r.Name == "" && len(own) == 1 {
			r.Name = own[0]
		}
	}
	return refusals
}

func shown(refusals []history.Refusal) []shownRefusal {
	all := []shownRefusal{}
	for _, r := range refusals {
		all = append(all, shownRefusal{r.At, bare(r.Name), r.Cause, cures[r.Reason]})
	}
	return all
}

const (
	setUpAgain  = "Compare the settings of your router with those of the page “Set up”, letter by letter."
	tryAgain    = "Nothing: your router asks again by itself. If it lasts, tell the operator."
	forOperator = "This is for the operator, who finds it in the server's log."
)

// cures are for the owner of a router, who sees no configuration of the server. Reasons
// for which no client is known have none.
var cures = map[service.Reason]string{
	service.ClientsFailed:  tryAgain,
	service.ClientDisabled: "Ask the operator: nothing works with this token until then.",
	service.WrongNetwork:   "Ask from a network that the token is meant for, or have the operator add yours.",
	service.LimitReached:   "Wait. Two devices that report different addresses for one name change it all the time.",
	service.CrossSite:      "Open the address itself, not by a page of another site.",
	service.BadMethod:      "Let the device ask by GET, or by POST with a form.",
	service.BadMediaType:   "Let the device ask by GET, or by POST with a form.",
	service.BadParameter:   setUpAgain,
	service.TooManyHosts:   "Give one request fewer names.",
	service.Unsupported:    "Leave “offline” out; the page of a host has a button that removes its addresses.",
	service.BadName:        "Enter the name of one of your hosts. A word such as <domain> belongs into the update URL only, where the router puts the name in.",
	service.NoZone:         "Look for a slip in the name: this server knows no domain that it is in.",
	service.NotGranted:     "The operator has to allow this to your token, unless there is a slip in the name.",
	service.BadAddress:     "The router sent no address that others reach. Write its own word for the address, such as <ipaddr>, as the page “Set up” shows it, or no address at all: then the one that it comes from counts.",
	zone.Conflict:          "Use another name, or have whoever keeps the zone remove what stands there.",
	zone.Refused:           forOperator,
	zone.Invalid:           forOperator,
	zone.Unreachable:       tryAgain,
	zone.Timeout:           tryAgain,
	zone.Busy:              tryAgain,
}
