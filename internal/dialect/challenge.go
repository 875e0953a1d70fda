package dialect

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	challenges "github.com/caddy-dyndns/dyndns/internal/challenge"
	"github.com/caddy-dyndns/dyndns/internal/service"
	"github.com/caddy-dyndns/dyndns/zone"
)

// challenge returns the host with a change of one value of its challenge.
func challenge(host string, action zone.Action, value string) (service.Host, *service.Error) {
	if !challenges.IsDigest(value) {
		return service.Host{Name: host}, badParameter("the value is not the digest of a key authorization: 43 characters of base64url")
	}
	return service.Host{Name: host, Challenge: service.Wish{Action: action, Values: []string{value}}}, nil
}

// jsonArguments reads the members of a JSON object that have these names, in any case:
// older clients of acme-dns write SubDomain. Each is text, and there once.
func (in *Input) jsonArguments(names ...string) (map[string]string, *service.Error) {
	decoder := json.NewDecoder(bytes.NewReader(in.body))
	malformed := badParameter("the body is not one JSON object with text in it")
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return nil, malformed
	}
	arguments := make(map[string]string, len(names))
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return nil, malformed
		}
		name := folded(key.(string)) // the decoder takes no other key
		var value any
		if err := decoder.Decode(&value); err != nil {
			return nil, malformed
		}
		for _, wanted := range names {
			if name != wanted {
				continue
			}
			text, isText := value.(string)
			if _, twice := arguments[name]; twice || !isText || strings.ContainsRune(text, 0) {
				return nil, malformed
			}
			arguments[name] = text
		}
	}
	if _, err := decoder.Token(); err != nil { // the closing brace
		return nil, malformed
	}
	if decoder.More() {
		return nil, malformed
	}
	return arguments, nil
}

// atDomain tells whether a request is for a path that is ours at the domain alone.
func (in *Input) atDomain(path string) bool {
	return in.path == path && in.options.ForDomain(in.http)
}

// onlyPost is the error of another method than POST, nil if it is that.
func (in *Input) onlyPost() *service.Error {
	if in.http.Method == http.MethodPost {
		return nil
	}
	return &service.Error{Reason: service.BadMethod, Message: "this path takes POST alone"}
}
