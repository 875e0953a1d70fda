package dialect

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

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
	if err := decodeStrictly(in.body, &request); err != nil {
		r.Err = badParameter("the body is not one JSON object with lists of records in set, add and delete")
		return r
	}
	r.Submission, r.Err = request.Submission()
	return r
}

// decodeStrictly decodes one JSON value, without unknown members and without one that is
// there twice: of those the last would count.
func decodeStrictly(body []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	if err := checkMembers(decoder); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something stands behind the value")
	}
	decoder = json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

// checkMembers refuses a value in which an object has a member twice, in any case.
func checkMembers(decoder *json.Decoder) error {
	start, err := decoder.Token()
	if err != nil || start != json.Delim('{') && start != json.Delim('[') {
		return err
	}
	seen := map[string]bool{}
	for decoder.More() {
		if start == json.Delim('{') {
			key, err := decoder.Token()
			if err != nil {
				return err
			}
			name := strings.ToLower(key.(string)) // the decoder takes no other key
			if seen[name] {
				return errors.New("a member is there twice")
			}
			seen[name] = true
		}
		if err := checkMembers(decoder); err != nil {
			return err
		}
	}
	_, err = decoder.Token()
	return err
}

func (recordsAPI) Write(_ *Input, _ *Request, out *service.Outcome) Reply { return nativeJSON(out) }
