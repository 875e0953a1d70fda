package backend

import (
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/caddy-dyndns/dyndns/dnsupdate"
	"github.com/caddy-dyndns/dyndns/zone"
)

var (
	exchangeDuration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "caddy", Subsystem: "dyndns", Name: "dns_exchange_duration_seconds",
		Help:    "How long exchanges with nameservers took, by server and operation.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"server", "op"})
	dnsErrorCount = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "caddy", Subsystem: "dyndns", Name: "dns_errors_total",
		Help: "Exchanges with nameservers that failed, by server and kind.",
	}, []string{"server", "kind"})
	groupSize = prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: "caddy", Subsystem: "dyndns", Name: "group_size",
		Help:    "How many names travelled in one UPDATE message.",
		Buckets: []float64{1, 2, 5, 10, 20, 50, 100, 200},
	})
)

// Collectors returns the metrics of the backends.
func Collectors() []prometheus.Collector {
	return []prometheus.Collector{exchangeDuration, dnsErrorCount, groupSize}
}

// begin begins the series of a zone's nameservers: an increase from nothing to one is
// none to Prometheus.
func begin(s zone.Status) {
	for _, server := range s.Servers {
		for _, op := range []string{"connect", "query", "update"} {
			exchangeDuration.WithLabelValues(server.Address, op)
		}
		for _, kind := range []string{kindClock, kindKey, kindRefused, kindTimeout, kindUnreachable} {
			dnsErrorCount.WithLabelValues(server.Address, kind)
		}
	}
}

// logger returns the logger of the handlers' common parts. What outlives handlers asks
// for it each time, because a reload closes the one of before.
func logger() *zap.Logger { return caddy.Log().Named("http.handlers.dyndns") }

// countExchange counts one exchange with a nameserver or with the API of a hoster.
func countExchange(server, op string, took time.Duration, err *zone.Error) {
	exchangeDuration.WithLabelValues(server, op).Observe(took.Seconds())
	if err != nil {
		dnsErrorCount.WithLabelValues(server, errorKind(err)).Inc()
	}
}

// hooks feeds metrics and log from the DNS client.
func hooks() dnsupdate.Hooks {
	return dnsupdate.Hooks{
		Exchange: countExchange,
		Group:    func(_ string, names int) { groupSize.Observe(float64(names)) },
		Health: func(server string, up bool) {
			if up {
				logger().Info("nameserver answers", zap.String("server", server))
			} else {
				logger().Warn("nameserver does not answer", zap.String("server", server))
			}
		},
		Clamped: warnClamped,
		Incomparable: func(zone string) {
			logger().Warn("nameserver finds no values equal in prerequisites: what stands in the zone is read and cannot be proven",
				zap.String("zone", zone))
		},
		Panic: func(zone string, value any, stack []byte) {
			logPanic("internal error in the DNS client", zone, value, stack)
		},
	}
}

func warnClamped(zone string, wanted, got uint32) {
	logger().Warn("nameserver bounds the TTL",
		zap.String("zone", zone), zap.Uint32("wanted", wanted), zap.Uint32("got", got))
}

func logPanic(message, zone string, value any, stack []byte) {
	logger().Error(message, zap.String("zone", zone), zap.String("panic", fmt.Sprint(value)), zap.ByteString("stack", stack))
}

// What became of an exchange, in the metrics.
const (
	kindBusy        = "busy"
	kindClock       = "clock"
	kindKey         = "key"
	kindRefused     = "refused"
	kindTimeout     = "timeout"
	kindUnreachable = "unreachable"
)

// errorKind names what became of an exchange. The engine's other reasons are of changes
// that it did not send.
func errorKind(err *zone.Error) string {
	switch err.TSIG {
	case "BADTIME":
		return kindClock
	case "BADKEY", "BADSIG", "BADTRUNC":
		return kindKey
	}
	switch err.Reason {
	case zone.Refused:
		return kindRefused
	case zone.Timeout:
		return kindTimeout
	case zone.Busy:
		return kindBusy
	}
	return kindUnreachable
}
