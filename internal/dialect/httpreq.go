package dialect

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"

	challenges "github.com/caddy-dyndns/dyndns/internal/challenge"
	"github.com/caddy-dyndns/dyndns/internal/redact"
	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/zone"
)

// httpreq is the API that lego's provider of that name and acme.sh's acmeproxy speak:
// one value of a challenge is added or removed, the others at the name stay.
type httpreq struct{}

const (
	pathPresent = "present"
	pathCleanup = "cleanup"
)

var httpreqInfo = Info{Name: "httpreq", Arguments: redact.Kinds{}, JSON: true}

func (httpreq) Info() *Info { return &httpreqInfo }

func (httpreq) Match(in *Input) bool { return in.atDomain(pathPresent) || in.atDomain(pathCleanup) }

func (httpreq) Read(in *Input) (r Request) {
	r.Credential = in.credential(func(string) bool { return false }, "")
	var host service.Host
	if host, r.Err = readHTTPReq(in); r.Err == nil {
		r.Submission.Hosts = []service.Host{host}
	}
	return r
}

// readHTTPReq reads {"fqdn","value"} or, in lego's RAW mode, {"domain","token","keyAuth"}.
func readHTTPReq(in *Input) (service.Host, *service.Error) {
	if err := in.onlyPost(); err != nil {
		return service.Host{}, err
	}
	arguments, err := in.jsonArguments("fqdn", "value", "domain", "keyauth")
	if err != nil {
		return service.Host{}, err
	}
	action := zone.Add
	if in.path == pathCleanup {
		action = zone.Remove
	}
	if fqdn, ok := arguments["fqdn"]; ok {
		const prefix = challenges.Prefix
		if len(fqdn) <= len(prefix) || !strings.EqualFold(fqdn[:len(prefix)], prefix) {
			return service.Host{}, &service.Error{Reason: service.BadName, Message: redact.Echo(fqdn) + " is not the name of a challenge, _acme-challenge.<host>"}
		}
		return challenge(fqdn[len(prefix):], action, arguments["value"])
	}
	if arguments["domain"] == "" || arguments["keyauth"] == "" {
		return service.Host{}, badParameter("fqdn and value, or domain and keyAuth, are missing")
	}
	digest := sha256.Sum256([]byte(arguments["keyauth"]))
	return challenge(strings.TrimPrefix(arguments["domain"], "*."), action, base64.RawURLEncoding.EncodeToString(digest[:]))
}

// Write repeats the body: acme.sh looks for the value in it, and Caddy's acmeproxy for
// both members as they were sent.
func (httpreq) Write(in *Input, _ Request, out service.Outcome) Reply {
	reply := nativeJSON(&out)
	if reply.Status == http.StatusOK {
		reply.Body = in.body
	}
	return reply
}
