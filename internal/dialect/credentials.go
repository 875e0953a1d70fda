package dialect

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-dyndns/dyndns/internal/service"
)

// credential returns what the request presents: in its header, as inURL says in its
// path, and under the arguments that isSecret names.
func (in *Input) credential(isSecret func(argument string) bool, inURL string) service.Credential {
	c := service.Credential{Secrets: in.secretArray[:0]}
	presentHeader(&c, in.http)
	present(&c, inURL, true)
	for _, p := range in.params {
		if isSecret(p.name) {
			present(&c, p.value, true)
		}
	}
	return c
}

// present notes a secret. An empty one is none: routers send empty Basic
// passwords and placeholders beside the token that counts.
func present(c *service.Credential, secret string, inURL bool) {
	if secret == "" {
		return
	}
	c.InURL = c.InURL || inURL
	switch {
	case slices.Contains(c.Secrets, secret):
	case len(c.Secrets) == maxSecrets:
		c.Malformed = true
	default:
		c.Secrets = append(c.Secrets, secret)
	}
}

// maxSecrets bounds what anybody can make the server compare: a header has room
// for thousands. All have to be of one client, which has few tokens at a time.
const maxSecrets = 8

// presentHeader notes what stands in Authorization: the password of Basic
// (RFC 7617), a Bearer token (RFC 6750), or deSEC's Token. The user name of Basic
// says nothing: some routers put the token there.
func presentHeader(c *service.Credential, r *http.Request) {
	for _, header := range r.Header["Authorization"] {
		scheme, value, _ := strings.Cut(strings.TrimSpace(header), " ")
		value = strings.TrimSpace(value)
		switch {
		case scheme == "":
		case strings.EqualFold(scheme, "Basic"):
			_, password, ok := decodeBasic(value)
			c.Malformed = c.Malformed || !ok
			present(c, password, false)
		case value != "" && (strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "Token")):
			present(c, value, true)
		default:
			c.Malformed = true
		}
	}
}

// HeaderCredential is what a request presents in Authorization alone, for pages
// that must not take a secret in their URL.
func HeaderCredential(r *http.Request) (c service.Credential) {
	presentHeader(&c, r)
	return c
}

// basicUser returns the first user name given by Basic, empty if there is none.
func (in *Input) basicUser() string {
	for _, header := range in.http.Header["Authorization"] {
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
