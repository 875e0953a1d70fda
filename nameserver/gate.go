package nameserver

import (
	"encoding/hex"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/nameserver/internal/cookie"
	"github.com/caddy-dyndns/dyndns/nameserver/internal/ratelimit"
	"github.com/caddy-dyndns/dyndns/nameserver/internal/transport"
)

// gate keeps replies from being sent to who has not asked: over UDP anybody can write
// any address on a message.
type gate struct {
	hooks   Hooks
	limiter *ratelimit.Limiter // nil: no limit
	secrets atomic.Pointer[[]cookie.Secret]
	// limited counts replies over the limit.
	limited atomic.Uint32
}

// admission is what becomes of a request.
type admission uint8

const (
	lost admission = iota
	// truncated: the client may come over TCP.
	truncated
	admitted
)

// slip is how many requests over the limit there are for each whose reply says
// "truncated". BIND and NSD have the same.
const slip = 2

// admit says what becomes of a request whose cookie was checked.
func (g *gate) admit(r *request) admission {
	switch {
	case r.trust == cookie.Valid || !g.limit(r.Exchange):
		return admitted
	case g.limited.Add(1)%slip == 0:
		return truncated
	}
	return lost
}

// limit tells whether no reply goes out, since too many go to the client's network. A
// client over TCP is who it says it is.
func (g *gate) limit(x *transport.Exchange) bool {
	if x.Stream || g.limiter == nil || g.limiter.Allow(x.From.Addr(), time.Now()) {
		return false
	}
	if g.hooks.Limited != nil {
		g.hooks.Limited(x.From.Addr())
	}
	return true
}

// checkCookie returns false if the message has a cookie that is none.
func (g *gate) checkCookie(r *request) bool {
	r.trust = cookie.Unknown
	if r.opt == nil {
		return true
	}
	for _, option := range r.opt.Option {
		c, ok := option.(*dns.EDNS0_COOKIE)
		if !ok {
			continue
		}
		// Only the first counts, RFC 7873 section 5.2.
		octets, err := hex.DecodeString(c.Cookie)
		if err != nil {
			return false
		}
		r.trust, r.cookie = cookie.Check(octets, r.From.Addr(), *g.secrets.Load(), time.Now())
		return r.trust != cookie.Malformed
	}
	return true
}
