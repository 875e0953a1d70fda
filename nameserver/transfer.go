package nameserver

import (
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/internal/authority"
)

// transferSize is about the size of the messages of a transfer: names are compressed only
// within the first 16 KiB (RFC 1035 section 4.1.4).
const transferSize = 16_000

// transfer answers AXFR (RFC 5936) and IXFR (RFC 1995).
func (a *answerer) transfer(r *request, z *served) {
	q := r.message.Question[0]
	if !r.mayTransfer(z) {
		r.reply.Rcode = dns.RcodeRefused
		if dns.CanonicalName(q.Name) != z.name() {
			r.reply.Rcode = dns.RcodeNotAuth // RFC 5936 section 2.2.1
		}
		a.send(r)
		return
	}
	var have *dns.SOA
	if q.Qtype == dns.TypeIXFR {
		if len(r.message.Ns) == 1 {
			have, _ = r.message.Ns[0].(*dns.SOA)
		}
	}
	// RFC 5936 section 4.2 knows no AXFR over UDP.
	if q.Qtype == dns.TypeIXFR && have == nil || q.Qtype == dns.TypeAXFR && !r.Stream {
		r.reply.Rcode = dns.RcodeFormatError
		a.send(r)
		return
	}
	r.reply.Authoritative = true
	var soa *dns.SOA
	z.read(func(_ *configuration, data *authority.Zone) { soa = data.SOA() })
	// Over UDP the SOA record alone has the client come over TCP, RFC 1995 section 2.
	if have != nil && (!r.Stream || int32(soa.Serial-have.Serial) <= 0) {
		r.reply.Answer = []dns.RR{soa}
		a.send(r)
		return
	}
	r.Go(func() { a.sendTransfer(r, z, have) })
}

// mayTransfer tells whether the signer may have all of the zone that is asked for.
func (r *request) mayTransfer(z *served) (may bool) {
	z.read(func(c *configuration, _ *authority.Zone) {
		may = r.sig != nil && c.transferKeys[r.signer.Name] && dns.CanonicalName(r.message.Question[0].Name) == c.name
	})
	return may
}

// sendTransfer sends the differences from the SOA record that the client has, or the
// whole zone if the log does not go back so far or the client has nothing.
func (a *answerer) sendTransfer(r *request, z *served, have *dns.SOA) {
	kind, records := "IXFR", []dns.RR(nil)
	if have != nil {
		var err error
		if records, err = a.differences(z, have); err != nil {
			r.reply.Rcode, r.reply.Authoritative = dns.RcodeServerFailure, false
			a.send(r)
			return
		}
	}
	if records == nil {
		kind, records = "AXFR", z.wholeZone()
	}
	err := r.stream(records)
	if a.hooks.Transferred != nil {
		a.hooks.Transferred(z.name(), kind, r.From, len(records), err)
	}
}

// differences returns the answer to an IXFR, RFC 1995 section 4, nil if the log has not
// all of it.
func (a *answerer) differences(z *served, have *dns.SOA) ([]dns.RR, error) {
	var soa *dns.SOA
	z.read(func(_ *configuration, data *authority.Zone) { soa = data.SOA() })
	entries, err := a.writer.file.Log(z.name(), have.Serial, soa.Serial)
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	with := func(serial uint32) dns.RR {
		other := *soa
		other.Serial = serial
		return &other
	}
	records := []dns.RR{soa}
	for _, e := range entries {
		records = append(append(records, with(e.From)), e.Removed...)
		records = append(append(records, with(e.To)), e.Added...)
	}
	return append(records, soa), nil
}

// wholeZone returns all records between two SOA records, RFC 5936 section 2.2.
func (z *served) wholeZone() (records []dns.RR) {
	z.read(func(_ *configuration, data *authority.Zone) {
		soa := data.SOA()
		records = append(records, soa)
		for _, rr := range data.All() {
			if rr.Header().Rrtype != dns.TypeSOA {
				records = append(records, rr)
			}
		}
		records = append(records, soa)
	})
	return records
}

// stream sends records in as many messages as they need. The first one has the question.
func (r *request) stream(records []dns.RR) error {
	sequence := r.signer.Answer(r.sig)
	for first := true; len(records) > 0; first = false {
		size, n := 0, 0
		for n < len(records) && (n == 0 || size+dns.Len(records[n]) <= transferSize) {
			size += dns.Len(records[n])
			n++
		}
		r.reply.Answer, records = records[:n], records[n:]
		if first {
			r.addOPT()
		} else {
			r.reply.Question, r.reply.Extra = nil, nil
		}
		wire, err := r.reply.Pack()
		if err != nil {
			return err
		}
		if err := r.Reply(sequence.Sign(wire, time.Now())); err != nil {
			return err
		}
	}
	return nil
}
