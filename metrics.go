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
	"github.com/caddy-dyndns/dyndns/zone"
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
		Help:    "How long exchanges with nameservers took, by server and operation.",
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

var (
	changeResults = []service.Result{service.Unchanged, service.Deleted, service.Updated, service.Refused, service.Failed}
	// dialectResults are the results that a request of each dialect can have.
	dialectResults = map[string][]service.Result{
		"native":  append([]service.Result{service.Checked}, changeResults...),
		"dyndns2": changeResults,
		"duckdns": changeResults,
		"pages":   {service.Unchanged, service.Refused},
	}
	authFailures = map[service.Reason]string{
		service.NoCredential: "missing", service.BadCredential: "wrong", service.Throttled: "throttled",
	}
)

// The series of the counters begin at zero: an increase from nothing to one is
// none to Prometheus, and an alert would miss the first failure.
func init() {
	for dialect, results := range dialectResults {
		for _, result := range results {
			requestCount.WithLabelValues(dialect, result.String())
		}
	}
	for _, reason := range authFailures {
		authFailureCount.WithLabelValues(reason)
	}
}

// countZone begins the series of a zone and its nameservers.
func countZone(s zone.Status) {
	for _, t := range []zone.Type{zone.TypeA, zone.TypeAAAA, zone.TypeTXT} {
		recordCount.WithLabelValues(s.Zone, t.String())
	}
	for _, server := range s.Servers {
		for _, op := range []string{"connect", "query", "update"} {
			exchangeDuration.WithLabelValues(server.Address, op)
		}
		for _, kind := range []zone.Reason{zone.Refused, zone.Timeout, zone.Unreachable} {
			dnsErrorCount.WithLabelValues(server.Address, kindWord(kind))
		}
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
		if reason, ok := authFailures[o.Err.Reason]; ok {
			authFailureCount.WithLabelValues(reason).Inc()
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
		Exchange: func(server, op string, took time.Duration, err *zone.Error) {
			exchangeDuration.WithLabelValues(server, op).Observe(took.Seconds())
			if err != nil {
				dnsErrorCount.WithLabelValues(server, kindWord(err.Reason)).Inc()
			}
		},
		Group: func(_ string, names int) { groupSize.Observe(float64(names)) },
		Health: func(server string, up bool) {
			if up {
				logger().Info("nameserver answers", zap.String("server", server))
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

// kindWord names what became of an exchange in the metrics. The engine's other
// kinds are of changes that it did not send.
func kindWord(kind zone.Reason) string {
	switch kind {
	case zone.Refused:
		return "refused"
	case zone.Timeout:
		return "timeout"
	}
	return "unreachable"
}

var (
	queueLengthDesc = prometheus.NewDesc("caddy_dyndns_queue_length",
		"Changes that wait for the message in flight, by zone.", []string{"zone"}, nil)
	nameserverUpDesc = prometheus.NewDesc("caddy_dyndns_nameserver_up",
		"Whether the nameserver answered when it was last asked; absent before the first time.", []string{"server"}, nil)
)

// poolCollector reads queues and nameservers from the shared state at each
// scrape: what is no longer configured has no value that could raise an alarm, and
// a nameserver that nobody has asked yet none that could silence one.
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
			switch {
			case !s.Seen:
			case s.Up || up[s.Address] == 1:
				up[s.Address] = 1
			default:
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
