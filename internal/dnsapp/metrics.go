package dnsapp

import (
	"net/netip"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/caddy-dyndns/dyndns/nameserver"
)

// The collectors belong to the process, like those of the root. No label holds a name, an
// address or a client.
var (
	answerCount    = counter("nameserver_answers_total", "Replies of the nameserver that is brought along, by transport and response code.", "transport", "rcode")
	limitedCount   = counter("nameserver_limited_total", "Messages without a whole reply because too many go to their network.")
	transferCount  = counter("nameserver_transfers_total", "Transfers of zones, by kind and result.", "kind", "result")
	notifyCount    = counter("nameserver_notifies_total", "Secondaries told of a change, by whether they acknowledged it.", "result")
	commitDuration = prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: "caddy", Subsystem: "dyndns", Name: "nameserver_commit_duration_seconds",
		Help:    "How long it took to write a group of changes to the disk.",
		Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
	})
)

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "caddy", Subsystem: "dyndns", Name: name, Help: help}, labels)
}

// Collectors are those of the nameserver.
func Collectors() []prometheus.Collector {
	return []prometheus.Collector{answerCount, limitedCount, transferCount, notifyCount, commitDuration}
}

// hooks count what the nameserver does and log what an operator has to know.
func hooks(log *zap.Logger) nameserver.Hooks {
	// An increase from nothing to one is none to Prometheus.
	limitedCount.WithLabelValues()
	for _, result := range []string{"ok", "failed"} {
		notifyCount.WithLabelValues(result)
		for _, kind := range []string{"AXFR", "IXFR"} {
			transferCount.WithLabelValues(kind, result)
		}
	}
	result := func(err error) string {
		if err != nil {
			return "failed"
		}
		return "ok"
	}
	return nameserver.Hooks{
		Answered: func(a nameserver.Answer) {
			transport := "udp"
			if a.Stream {
				transport = "tcp"
			}
			answerCount.WithLabelValues(transport, rcode(a.Rcode)).Inc()
		},
		Limited: func(netip.Addr) { limitedCount.WithLabelValues().Inc() },
		Transferred: func(zone, kind string, to netip.AddrPort, records int, err error) {
			transferCount.WithLabelValues(kind, result(err)).Inc()
			log.Debug("transferred zone", zap.String("zone", zone), zap.String("kind", kind), zap.Stringer("to", to), zap.Int("records", records), zap.Error(err))
		},
		Notified: func(zone string, secondary netip.AddrPort, err error) {
			notifyCount.WithLabelValues(result(err)).Inc()
			if err != nil {
				log.Warn("secondary did not acknowledge a change", zap.String("zone", zone), zap.Stringer("secondary", secondary), zap.Error(err))
			}
		},
		Committed: func(_ int, took time.Duration, err error) {
			commitDuration.Observe(took.Seconds())
			if err != nil {
				log.Error("changes could not be written", zap.Error(err))
			}
		},
		Panic: func(value any, stack []byte) {
			log.Error("internal error in the nameserver", zap.Any("panic", value), zap.ByteString("stack", stack))
		},
	}
}

// rcode is the mnemonic of a response code, of a closed set.
func rcode(code int) string {
	if text, ok := dns.RcodeToString[code]; ok {
		return text
	}
	return "other"
}
