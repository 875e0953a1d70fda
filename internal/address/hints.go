package address

import (
	"errors"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// Hints returns the addresses in the data of an HTTPS record (RFC 9460 section 7.3).
func Hints(data string) (hints []netip.Addr, err error) {
	rr, err := dns.NewRR(". 0 IN HTTPS " + data)
	record, ok := rr.(*dns.HTTPS)
	if err != nil || !ok || strings.ContainsAny(data, "\r\n") { // of several lines only one is read
		return nil, errors.New("this is not the data of an HTTPS record")
	}
	for _, parameter := range record.Value {
		switch parameter := parameter.(type) {
		case *dns.SVCBIPv4Hint:
			for _, ip := range parameter.Hint {
				a, _ := netip.AddrFromSlice(ip)
				hints = append(hints, a.Unmap())
			}
		case *dns.SVCBIPv6Hint:
			for _, ip := range parameter.Hint {
				a, _ := netip.AddrFromSlice(ip)
				hints = append(hints, a)
			}
		}
	}
	return hints, nil
}
