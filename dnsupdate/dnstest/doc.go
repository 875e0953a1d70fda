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
// It follows RFC 2136 section 3 to the letter and BIND where the RFC leaves a
// choice. Three things differ from BIND 9.18 on purpose: BIND checks the Update
// Section before the prerequisites, so that a message with a fault in both gets
// the other code; BIND refuses names that are no host names (check-names); and
// BIND answers a Zone Section of another class than IN with REFUSED or FORMERR
// where the RFC asks for NOTAUTH.
package dnstest
