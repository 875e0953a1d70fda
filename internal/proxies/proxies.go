// Package proxies looks at how a server of Caddy trusts proxies.
package proxies

import (
	"net/http"
	"reflect"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
)

// Warn warns if the handler's server lets a client write its own
// address: without trusted_proxies_strict Caddy takes the leftmost address of
// X-Forwarded-For, which is the client's own text, and the throttle counts for
// whomever it names.
func Warn(ctx caddy.Context, logger *zap.Logger) {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || server.TrustedProxiesStrict > 0 {
		return
	}
	directive := ""
	switch {
	case trustsProxies(server):
		directive = "trusted_proxies"
	case server.TrustedProxiesUnix:
		directive = "trusted_proxies_unix"
	default:
		return
	}
	logger.Warn(directive+" without trusted_proxies_strict lets a client write its own address",
		zap.String("server", server.Name()), zap.Strings("listen", server.Listen))
}

// trustsProxies tells whether trusted_proxies is set. Caddy has dropped the
// exported field's text by the time that it provisions handlers, and keeps the module
// where only reflection sees it.
func trustsProxies(server *caddyhttp.Server) bool {
	if server.TrustedProxiesRaw != nil {
		return true
	}
	source := reflect.ValueOf(server).Elem().FieldByName("trustedProxies")
	return source.IsValid() && !source.IsZero()
}

// Encrypted tells whether the visitor came over TLS, to Caddy or to a proxy that
// it trusts.
func Encrypted(r *http.Request) bool {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	return r.TLS != nil || trusted && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}
