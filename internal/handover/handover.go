// Package handover is a listener wrapper for sockets that outlive a configuration of
// Caddy or its process, as those that systemd holds.
package handover

import (
	"context"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
	"github.com/caddyserver/certmagic"

	"github.com/caddy-dyndns/dyndns/internal/directive"
)

const name = "dyndns_handover"

// slowest is how long a client may take from its connection to its request, and Caddy from
// its start to the certificates that it has.
const slowest = 2 * time.Second

func init() {
	caddy.RegisterModule(new(Wrapper))
}

// Wrapper is a listener wrapper with which a restart loses no request where the socket
// stays open meanwhile: one that systemd holds (`bind fd/3`). It has to stand before `tls`.
//
// Connections are accepted only while the configuration serves: from when all apps have
// started and the sites have their certificates, or two seconds after the start, until the
// configuration's end begins. Those that come at other times wait in the socket for the next
// process or configuration. Before the servers shut down, which would end connections whose
// request has not been read, those are waited for that were accepted within the last two
// seconds.
type Wrapper struct {
	ctx caddy.Context
	// serving is closed when connections are to be accepted, stopping when that ends.
	serving, stopping chan struct{}
	listeners         []*listener
	connections       connections
}

// CaddyModule returns the Caddy module information.
func (*Wrapper) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.listeners." + name, New: func() caddy.Module { return new(Wrapper) }}
}

// UnmarshalCaddyfile sets up the wrapper from Caddyfile tokens. Syntax:
//
//	dyndns_handover
func (w *Wrapper) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	return directive.Last(d, name)
}

// Provision subscribes to the events of the configuration.
func (w *Wrapper) Provision(ctx caddy.Context) error {
	w.ctx, w.serving, w.stopping = ctx, make(chan struct{}), make(chan struct{})
	loaded, err := ctx.App("events")
	if err != nil {
		return fmt.Errorf("loading the events app: %w", err)
	}
	events := loaded.(*caddyevents.App)
	if err := events.On("started", handler(func() { go w.serve() })); err != nil {
		return err
	}
	// Caddy goes on when the handler returns.
	return events.On("stopping", handler(w.stop))
}

// serve begins to accept connections when the sites have their certificates, which Caddy reads
// after the start. Its events that tell of them cannot be used: Caddy 2.11 has a data
// race where somebody does.
func (w *Wrapper) serve() {
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for deadline := time.Now().Add(slowest); slices.ContainsFunc(w.hosts(), uncertified) && time.Now().Before(deadline); {
		<-again.C
	}
	close(w.serving)
}

// hosts returns the names of the sites.
func (w *Wrapper) hosts() (hosts []string) {
	loaded, err := w.ctx.AppIfConfigured("http")
	if err != nil {
		return nil
	}
	for _, server := range loaded.(*caddyhttp.App).Servers {
		for _, route := range server.Routes {
			for _, matchers := range route.MatcherSets {
				for _, m := range matchers {
					if h, ok := m.(*caddyhttp.MatchHost); ok {
						hosts = append(hosts, *h...)
					}
				}
			}
		}
	}
	return hosts
}

// uncertified tells whether there could be a certificate for the host, and is none yet.
func uncertified(host string) bool {
	return certmagic.SubjectQualifiesForCert(host) && len(caddytls.AllMatchingCertificates(host)) == 0
}

// stop ends the acceptance of connections, and returns when those that were accepted a short
// time ago have been closed or are old enough. Caddy shuts its servers down after that.
func (w *Wrapper) stop() {
	close(w.stopping)
	for _, l := range w.listeners {
		l.park()
	}
	w.connections.await()
}

// handler is called for an event.
type handler func()

// Handle implements [caddyevents.Handler].
func (h handler) Handle(context.Context, caddy.Event) error {
	h()
	return nil
}

// WrapListener implements [caddy.ListenerWrapper].
func (w *Wrapper) WrapListener(inner net.Listener) net.Listener {
	l := &listener{Listener: inner, wrapper: w, parked: make(chan struct{}), closed: make(chan struct{})}
	w.listeners = append(w.listeners, l)
	return l
}

// Interface guards
var (
	_ caddy.ListenerWrapper = (*Wrapper)(nil)
	_ caddy.Provisioner     = (*Wrapper)(nil)
	_ caddyfile.Unmarshaler = (*Wrapper)(nil)
	_ caddyevents.Handler   = handler(nil)
)
