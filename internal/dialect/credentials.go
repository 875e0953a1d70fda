package dialect

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-dyndns/dyndns/internal/service"
)

// present notes a secret. An empty one is none: routers send empty Basic
// passwords and placeholders beside the token that counts.
func (q *request) present(secret string, inURL bool) {
	if secret == "" {
		return
	}
	q.credential.InURL = q.credential.InURL || inURL
	switch {
	case slices.Contains(q.credential.Secrets, secret):
	case len(q.credential.Secrets) == maxSecrets:
		q.credential.Malformed = true
	default:
		q.credential.Secrets = append(q.credential.Secrets, secret)
	}
}

// maxSecrets bounds what anybody can make the server compare: a header has room
// for thousands. All have to be of one client, which has few tokens at a time.
const maxSecrets = 8

// presentHeader notes what stands in Authorization: the password of Basic
// (RFC 7617), a Bearer token (RFC 6750), or deSEC's Token. The user name of Basic
// says nothing: some routers put the token there.
func (q *request) presentHeader() {
	for _, header := range q.http.Header["Authorization"] {
		scheme, value, _ := strings.Cut(strings.TrimSpace(header), " ")
		value = strings.TrimSpace(value)
		switch {
		case scheme == "":
		case strings.EqualFold(scheme, "Basic"):
			_, password, ok := decodeBasic(value)
			q.credential.Malformed = q.credential.Malformed || !ok
			q.present(password, false)
		case value != "" && (strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "Token")):
			q.present(value, true)
		default:
			q.credential.Malformed = true
		}
	}
}

// HeaderCredential is what a request presents in Authorization alone, for pages
// that must not take a secret in their URL.
func HeaderCredential(r *http.Request) service.Credential {
	q := request{http: r}
	q.presentHeader()
	return q.credential
}

// basicUser returns the first user name given by Basic, empty if there is none.
func (q *request) basicUser() string {
	for _, header := range q.http.Header["Authorization"] {
		scheme, value, _ := strings.Cut(strings.TrimSpace(header), " ")
		if user, _, ok := decodeBasic(strings.TrimSpace(value)); ok && strings.EqualFold(scheme, "Basic") {
			return user
		}
	}
	return ""
}

func decodeBasic(value string) (user, password string, ok bool) {
	decoded, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return "", "", false
	}
	return strings.Cut(string(decoded), ":")
}
