package dialect

import (
	"net/http"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/internal/records"
	"github.com/caddy-dyndns/dyndns/internal/redact"
	"github.com/caddy-dyndns/dyndns/internal/service"
)

// recordsAPI is what the module dns.providers.dyndns of another Caddy speaks: GET asks
// what stands at the names of a client, POST changes it, all of one zone in one UPDATE.
type recordsAPI struct{}

var recordsInfo = Info{Name: "records", Arguments: redact.Kinds{"name": redact.KindHost}, JSON: true}

func (recordsAPI) Info() *Info { return &recordsInfo }

func (recordsAPI) Match(in *Input) bool { return in.atDomain("records") }

func (recordsAPI) Read(in *Input) (r Request) {
	r.Credential = in.credential(func(string) bool { return false }, "")
	if r.Err = in.checkCount(); r.Err != nil {
		return r
	}
	var names []string
	for _, p := range in.params {
		if p.name != "name" || in.http.Method == http.MethodPost {
			r.Err = badParameter(`Unknown query string argument: "` + redact.Echo(p.name) + `"`)
			return r
		}
		names = append(names, p.value)
	}
	if in.http.Method != http.MethodPost {
		r.Submission = records.List(names)
		return r
	}
	var request records.Request
	if err := clients.DecodeStrict(in.body, &request); err != nil {
		r.Err = badParameter("the body is not one JSON object with lists of records in set, add and delete")
		return r
	}
	r.Submission, r.Err = request.Submission()
	return r
}

func (recordsAPI) Write(_ *Input, _ Request, out service.Outcome) Reply { return nativeJSON(&out) }
