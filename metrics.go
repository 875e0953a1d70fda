package dyndns

import (
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/caddy-dyndns/dyndns/dnsupdate"
	"github.com/caddy-dyndns/dyndns/internal/service"
)

// The collectors belong to the process: their counts survive a reload, for which
// Caddy makes a new registry, and two handlers count together. Labels are
// configured names or words of a closed set, never a host, address or client.
var (
	requestCount = newCounter("requests_total",
		"Requests answered, by dialect and by the worst of what became of their names.", "dialect", "result")
	recordCount = newCounter("records_changed_total",
		"Records written or removed, by zone and type.", "zone", "type")
	authFailureCount = newCounter("auth_failures_total",
		"Requests without a valid credential, by reason.", "reason")
	exchangeDuration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "caddy", Subsystem: "dyndns", Name: "dns_exchange_duration_seconds",
		Help:    "How long nameservers took to answer, by server and operation.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"server", "op"})
	dnsErrorCount = newCounter("dns_errors_total",
		"Exchanges with nameservers that failed, by server and kind.", "server", "kind")
	groupSize = prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: "caddy", Subsystem: "dyndns", Name: "group_size",
		Help:    "How many names travelled in one UPDATE message.",
		Buckets: []float64{1, 2, 5, 10, 20, 50, 100, 200},
	})
)

func newCounter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "caddy", Subsystem: "dyndns", Name: name, Help: help,
	}, labels)
}

func collectors() []prometheus.Collector {
	return []prometheus.Collector{
		requestCount, recordCount, authFailureCount, exchangeDuration, dnsErrorCount, groupSize, poolCollector{},
	}
}

// registerMetrics adds the collectors to the registry of one configuration, in
// which a second handler finds them already.
func registerMetrics(registry *prometheus.Registry) error {
	for _, c := range collectors() {
		var already prometheus.AlreadyRegisteredError
		if err := registry.Register(c); err != nil && !errors.As(err, &already) {
			return err
		}
	}
	return nil
}

// countRequest counts one answered request.
func countRequest(dialect string, o *service.Outcome) {
	requestCount.WithLabelValues(dialect, o.Result().String()).Inc()
	if o.Err != nil {
		switch o.Err.Reason {
		case service.NoCredential:
			authFailureCount.WithLabelValues("missing").Inc()
		case service.BadCredential:
			authFailureCount.WithLabelValues("wrong").Inc()
		case service.Throttled:
			authFailureCount.WithLabelValues("throttled").Inc()
		}
	}
	for h := range o.Names() {
		for i := range h.Records {
			if r := &h.Records[i]; r.Changed {
				recordCount.WithLabelValues(h.Zone, r.Type.String()).Inc()
			}
		}
	}
}

// dnsHooks feeds metrics and log from the DNS client, which outlives handlers: it
// asks for the logger each time, because a reload closes the one of before.
func dnsHooks() dnsupdate.Hooks {
	logger := func() *zap.Logger { return caddy.Log().Named("http.handlers.dyndns") }
	return dnsupdate.Hooks{
		Exchange: func(server, op string, took time.Duration, err *dnsupdate.Error) {
			exchangeDuration.WithLabelValues(server, op).Observe(took.Seconds())
			if err != nil {
				dnsErrorCount.WithLabelValues(server, kindWord(err.Kind)).Inc()
			}
		},
		Group: func(_ string, names int) { groupSize.Observe(float64(names)) },
		Health: func(server string, up bool) {
			if up {
				logger().Info("nameserver answers again", zap.String("server", server))
			} else {
				logger().Warn("nameserver does not answer", zap.String("server", server))
			}
		},
		Clamped: func(zone string, wanted, got uint32) {
			logger().Warn("nameserver bounds the TTL",
				zap.String("zone", zone), zap.Uint32("wanted", wanted), zap.Uint32("got", got))
		},
		Incomparable: func(zone string) {
			logger().Warn("nameserver finds no values equal in prerequisites: what stands in the zone is read and cannot be proven",
				zap.String("zone", zone))
		},
		Panic: func(zone string, value any, stack []byte) {
			logger().Error("internal error in the DNS client", zap.String("zone", zone),
				zap.String("panic", fmt.Sprint(value)), zap.ByteString("stack", stack))
		},
	}
}

// kindWord names a kind of DNS error in the metrics.
func kindWord(kind dnsupdate.Kind) string {
	switch kind {
	case dnsupdate.Refused:
		return "refused"
	case dnsupdate.Unreachable:
		return "unreachable"
	case dnsupdate.Timeout:
		return "timeout"
	case dnsupdate.Busy:
		return "busy"
	case dnsupdate.Conflict:
		return "conflict"
	case dnsupdate.Invalid:
		return "invalid"
	}
	return "unknown"
}

var (
	queueLengthDesc = prometheus.NewDesc("caddy_dyndns_queue_length",
		"Changes that wait for the message in flight, by zone.", []string{"zone"}, nil)
	nameserverUpDesc = prometheus.NewDesc("caddy_dyndns_nameserver_up",
		"Whether the nameserver answered when it was last asked.", []string{"server"}, nil)
)

// poolCollector reads queues and nameservers from the shared state at each
// scrape: what is no longer configured has no value that could raise an alarm.
type poolCollector struct{}

func (poolCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- queueLengthDesc
	descs <- nameserverUpDesc
}

func (poolCollector) Collect(metrics chan<- prometheus.Metric) {
	// Several updaters may serve one zone, with different keys, or ask one server.
	queues, up := make(map[string]int), make(map[string]float64)
	for _, status := range zoneStatuses() {
		queues[status.Zone] += status.Waiting
		for _, s := range status.Servers {
			if s.Up || up[s.Address] == 1 {
				up[s.Address] = 1
			} else {
				up[s.Address] = 0
			}
		}
	}
	for zone, length := range queues {
		metrics <- prometheus.MustNewConstMetric(queueLengthDesc, prometheus.GaugeValue, float64(length), zone)
	}
	for server, value := range up {
		metrics <- prometheus.MustNewConstMetric(nameserverUpDesc, prometheus.GaugeValue, value, server)
	}
}
