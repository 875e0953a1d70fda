// Package dnstest is to DNS what net/http/httptest is to HTTP: nameservers for
// tests, in process and on the loopback.
//
// [NewServer] starts an authoritative primary that answers queries, takes
// DNS UPDATE (RFC 2136) and checks and writes TSIG (RFC 8945). [NewProxy] puts
// a misbehaving network in front of it, or of any other nameserver.
//
// The server keeps its zones in memory, serves them to everybody and knows no
// DNSSEC, no zone transfer and no limits. It is for tests and demonstrations,
// never for production.
//
// An UPDATE is processed in the order of RFC 2136 section 3, except that a key
// without rights in the zone is refused first. Where the RFC leaves a choice the
// server does as BIND: it takes an SOA record only with a higher serial, and no
// wildcard NS or DNAME. BIND 9.18 departs from the RFC where this server does not: it checks
// the Update Section before the prerequisites, so that a message with a fault in
// both gets the other code; it knows no zone of another class than IN and says
// NOTIMP, not NOTAUTH; it raises the serial when an owner is merely spelled
// otherwise, where this server has lower case only; it refuses owners that are no host names
// (check-names), MX records and apex nameservers without addresses (check-mx,
// check-integrity), and more than 100 records in an RRset.
package dnstest
