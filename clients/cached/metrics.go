package cached

import "github.com/prometheus/client_golang/prometheus"

const (
	resultCached  = "cached"
	resultFound   = "found"
	resultUnknown = "unknown"
	resultStale   = "stale"
	resultFailed  = "failed"
)

var (
	lookups = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "caddy", Subsystem: "dyndns", Name: "client_lookups_total",
		Help: "Searches for the client of a token that the configuration does not have, by source and result.",
	}, []string{"source", "result"})
	duration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "caddy", Subsystem: "dyndns", Name: "client_source_duration_seconds",
		Help:    "How long sources of clients took to answer, by source.",
		Buckets: []float64{.00001, .000025, .00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
	}, []string{"source"})
)

// Collectors returns the metrics of the sources.
func Collectors() []prometheus.Collector { return []prometheus.Collector{lookups, duration} }

// begin begins the series of a source: an increase from nothing to one is none to
// Prometheus.
func begin(source string) {
	for _, result := range []string{resultCached, resultFound, resultUnknown, resultStale, resultFailed} {
		lookups.WithLabelValues(source, result)
	}
	duration.WithLabelValues(source)
}
