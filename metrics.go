package dyndns

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-dyndns/dyndns/clients/cached"
	"github.com/caddy-dyndns/dyndns/internal/backend"
	"github.com/caddy-dyndns/dyndns/internal/dialect"
	"github.com/caddy-dyndns/dyndns/internal/dnsapp"
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
	expiredCount = newCounter("addresses_expired_total",
		"Addresses removed because nobody confirmed them, by zone.", "zone")
	authFailureCount = newCounter("auth_failures_total",
		"Requests without a valid credential, by reason.", "reason")
)

func newCounter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "caddy", Subsystem: "dyndns", Name: name, Help: help,
	}, labels)
}

func collectors() []prometheus.Collector {
	return append(append(backend.Collectors(), cached.Collectors()...), append(dnsapp.Collectors(), requestCount, recordCount, expiredCount, authFailureCount, poolCollector{})...)
}

var (
	changeResults = []service.Result{service.Unchanged, service.Deleted, service.Updated, service.Refused, service.Failed}
	authFailures  = map[service.Reason]string{
		service.NoCredential: "missing", service.BadCredential: "wrong", service.Throttled: "throttled",
	}
)

// The series of the counters begin at zero: an increase from nothing to one is
// none to Prometheus, and an alert would miss the first failure.
func init() {
	begin := func(name string, results ...service.Result) {
		for _, result := range results {
			requestCount.WithLabelValues(name, result.String())
		}
	}
	begin("pages", changeResults...)
	for _, d := range dialect.All {
		begin(d.Info().Name, changeResults...)
		if d.Info().Checks {
			begin(d.Info().Name, service.Checked)
		}
	}
	for _, reason := range authFailures {
		authFailureCount.WithLabelValues(reason)
	}
}

// countZone begins the series of a zone.
func countZone(zoneName string) {
	for _, t := range zone.Types {
		recordCount.WithLabelValues(zoneName, t.String())
	}
	expiredCount.WithLabelValues(zoneName)
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

var (
	queueLengthDesc = prometheus.NewDesc("caddy_dyndns_queue_length",
		"Changes that wait for the message in flight, by zone.", []string{"zone"}, nil)
	nameserverUpDesc = prometheus.NewDesc("caddy_dyndns_nameserver_up",
		"Whether the nameserver answered when it was last asked; absent before the first time.", []string{"server"}, nil)
	clockOffsetDesc = prometheus.NewDesc("caddy_dyndns_nameserver_clock_offset_seconds",
		"How far the nameserver's clock was ahead of this machine's when it last told the time; absent before.", []string{"server"}, nil)
)

// poolCollector reads queues and nameservers from the shared state at each
// scrape: what is no longer configured has no value that could raise an alarm, and
// a nameserver that nobody has asked yet none that could silence one.
type poolCollector struct{}

func (poolCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- queueLengthDesc
	descs <- nameserverUpDesc
	descs <- clockOffsetDesc
}

func (poolCollector) Collect(metrics chan<- prometheus.Metric) {
	// Several updaters may serve one zone, with different keys, or ask one server.
	queues, up, offsets := make(map[string]int), make(map[string]float64), make(map[string]time.Duration)
	for _, status := range zoneStatuses() {
		queues[status.Zone] += status.Waiting
		for _, s := range status.Servers {
			if s.ClockTold {
				offsets[s.Address] = s.ClockOffset
			}
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
	for server, offset := range offsets {
		metrics <- prometheus.MustNewConstMetric(clockOffsetDesc, prometheus.GaugeValue, offset.Seconds(), server)
	}
}
