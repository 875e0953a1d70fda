package dialect

import (
	"encoding/json"
	"net/http"

	"github.com/caddy-dyndns/dyndns/internal/redact"
	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/zone"
)

// acmedns is the update of joohi's acme-dns, whose clients remove nothing: the last two
// values stand, those of a name and of its wildcard.
type acmedns struct{}

var acmednsInfo = Info{Name: "acme-dns", Arguments: redact.Kinds{}, JSON: true}

func (acmedns) Info() *Info { return &acmednsInfo }

func (acmedns) Match(in *Input) bool {
	return in.atDomain("update") && in.http.Header.Get("X-Api-Key") != ""
}

// Read takes the token from X-Api-Key; X-Api-User is an account's, which we have none of.
func (acmedns) Read(in *Input) (r Request) {
	r.Credential = in.credential(func(string) bool { return false }, "")
	present(&r.Credential, in.http.Header.Get("X-Api-Key"), true)
	r.Submission.ShortNames = true
	if r.Err = in.onlyPost(); r.Err != nil {
		return r
	}
	arguments, err := in.jsonArguments("subdomain", "txt")
	if err != nil {
		r.Err = err
		return r
	}
	var host service.Host
	if host, r.Err = challenge(arguments["subdomain"], zone.Add, arguments["txt"]); r.Err == nil {
		host.Challenge.Roll = true
		r.Submission.Hosts = []service.Host{host}
	}
	return r
}

// Write says what acme-dns says; acme.sh looks for the value in quotes.
func (acmedns) Write(_ *Input, r Request, out service.Outcome) Reply {
	failure := out.Err
	for h := range out.Names() {
		if h.Err != nil {
			failure = h.Err
		}
	}
	body := map[string]string{}
	reply := Reply{Status: http.StatusOK, ContentType: "application/json"}
	if failure == nil {
		body["txt"] = r.Submission.Hosts[0].Challenge.Values[0]
	} else {
		_, reply.Status = nativeWord(failure)
		reply.setHeader(failure, reply.Status)
		switch failure.Reason {
		case service.NoCredential, service.BadCredential, service.NotGranted, service.ClientDisabled, service.WrongNetwork:
			reply.Status, body["error"] = http.StatusUnauthorized, "forbidden"
		case service.BadName, service.NoZone:
			reply.Status, body["error"] = http.StatusBadRequest, "bad_subdomain"
		case service.BadParameter:
			body["error"] = "bad_txt"
		default:
			body["error"] = failure.Message
		}
	}
	// Texts always encode.
	reply.Body, _ = json.Marshal(body)
	return reply
}
