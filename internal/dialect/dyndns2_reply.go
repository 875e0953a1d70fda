package dialect

import (
	"net/http"

	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/zone"
)

// Write writes a line for each host: a word, and after a good one the addresses.
// Nothing else, and no newline at the end: IPFire and pfSense compare the body whole.
func (dyndns2) Write(in *Input, r Request, out service.Outcome) Reply {
	reply := Reply{Status: http.StatusOK, ContentType: textPlain}
	if out.Err != nil {
		reply.refuseDyndns2(out.Err, len(r.Submission.Hosts))
		return reply
	}
	lanChanged, lanFailure := (&service.Outcome{LAN: out.LAN}).Changed(), lanFailure(out.LAN)
	succeeded := false
	var failure *service.Error
	b := make([]byte, 0, 128)
	for i := range out.Hosts {
		if i > 0 {
			b = append(b, '\n')
		}
		h := &out.Hosts[i]
		err := h.Err
		if err == nil {
			err = lanFailure
		}
		if err != nil {
			word, status := dyndns2Word(err)
			b = append(b, word...)
			if status == http.StatusServiceUnavailable {
				failure = err
			}
			continue
		}
		succeeded = true
		if in.path == pathDelete {
			b = appendDeleted(b, &r.Submission.Hosts[i])
		} else {
			b = appendHost(b, h, lanChanged)
		}
	}
	// To a client with several hosts a failed request says nothing of those that
	// succeeded, and ddclient 3 does not read the body of one.
	if failure != nil && !succeeded {
		reply.Status = http.StatusServiceUnavailable
		reply.setHeader(failure, reply.Status)
	}
	reply.Body = b
	return reply
}

// lanFailure returns why the client has to ask again although its own hosts
// succeeded, nil if all LAN hosts did too. They have no lines: a client that reads
// good or nochg would take the prefix for published and send it never again.
func lanFailure(lan []service.HostOutcome) (failure *service.Error) {
	for i := range lan {
		err := lan[i].Err
		if err == nil {
			continue
		}
		switch word, _ := dyndns2Word(err); word {
		case "911": // the same request may succeed later
			return err
		case "dnserr":
		default: // would be about the host that the client named
			err = &service.Error{Reason: zone.Refused, Message: err.Message}
		}
		if failure == nil {
			failure = err
		}
	}
	return failure
}

// refuseDyndns2 answers a request that was refused whole. What concerns an
// account is said once, what concerns the hosts for each of them.
func (r *Reply) refuseDyndns2(e *service.Error, hosts int) {
	var word string
	word, r.Status = dyndns2Word(e)
	r.setHeader(e, r.Status)
	r.Body = append(r.Body, word...)
	if word == "dnserr" || word == "911" {
		for range hosts - 1 {
			r.Body = append(append(r.Body, '\n'), word...)
		}
	}
}

func appendHost(b []byte, h *service.HostOutcome, changed bool) []byte {
	for i := range h.Records {
		changed = changed || h.Records[i].Changed
	}
	if changed {
		b = append(b, "good"...)
	} else {
		b = append(b, "nochg"...)
	}
	separator := byte(' ')
	for i := range h.Records {
		r := &h.Records[i]
		if r.Type != zone.TypeA && r.Type != zone.TypeAAAA {
			continue
		}
		for _, v := range r.New {
			b = append(append(b, separator), v...)
			separator = ','
		}
	}
	return b
}

// appendDeleted says what nsupdate.info does: which addresses are gone.
func appendDeleted(b []byte, h *service.Host) []byte {
	separator := "deleted "
	for _, family := range []struct {
		wish service.Wish
		name string
	}{{h.A, "A"}, {h.AAAA, "AAAA"}} {
		if family.wish.Action == zone.Delete {
			b = append(append(b, separator...), family.name...)
			separator = ","
		}
	}
	return b
}

// dyndns2Word returns the word for a refusal, and the status where it is all
// that there is to say.
func dyndns2Word(e *service.Error) (word string, status int) {
	switch e.Reason {
	case service.NoCredential, service.BadCredential:
		return "badauth", http.StatusUnauthorized
	case service.Throttled:
		return "abuse", http.StatusServiceUnavailable
	case service.CrossSite:
		return "badagent", http.StatusForbidden
	case service.BadMethod:
		return "badagent", http.StatusMethodNotAllowed
	case service.BadMediaType:
		return "badagent", http.StatusUnsupportedMediaType
	case service.BadParameter:
		return "badagent", http.StatusBadRequest
	case service.TooManyHosts:
		return "numhost", http.StatusOK
	case service.Unsupported:
		return "!donator", http.StatusOK
	case service.BadName:
		return "notfqdn", http.StatusOK
	case service.NoZone, service.NotGranted, service.ClientDisabled, service.WrongNetwork: // never badauth, on which inadyn exits
		return "nohost", http.StatusOK
	case service.BadAddress, zone.Conflict, zone.Refused, zone.Invalid:
		return "dnserr", http.StatusOK // ddclient 3 takes any other status for silence
	default: // nobody can tell for the moment
		return "911", http.StatusServiceUnavailable
	}
}
