package change

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/miekg/dns"

	"github.com/caddy-dyndns/dyndns/zone"
)

// CheckBinding returns what is wrong with a service binding that can be read all the same
// (RFC 9460 sections 7.1.1 and 8, RFC 9461 section 5), nil of other records. Nameservers
// refuse whole messages with such a record in them, BIND the transfer of the zone.
func CheckBinding(rr dns.RR) error {
	var parameters []dns.SVCBKeyValue
	switch rr := rr.(type) {
	case *dns.HTTPS:
		parameters = rr.Value
	case *dns.SVCB:
		parameters = rr.Value
	}
	var keys []dns.SVCBKey
	for _, p := range parameters {
		if slices.Contains(keys, p.Key()) {
			return fmt.Errorf("the parameter %s is there twice", p.Key())
		}
		keys = append(keys, p.Key())
	}
	for _, p := range parameters {
		if err := checkParameter(p, keys); err != nil {
			return err
		}
	}
	return nil
}

func checkParameter(p dns.SVCBKeyValue, keys []dns.SVCBKey) error {
	switch p := p.(type) {
	case *dns.SVCBMandatory:
		for i, key := range p.Code {
			if key == dns.SVCB_MANDATORY || slices.Contains(p.Code[:i], key) || !slices.Contains(keys, key) {
				return fmt.Errorf("the parameter mandatory names %s, which is not there, or twice", key)
			}
		}
		if len(p.Code) == 0 {
			return errors.New("the parameter mandatory names none")
		}
	case *dns.SVCBAlpn:
		if len(p.Alpn) == 0 || slices.Contains(p.Alpn, "") {
			return errors.New("the parameter alpn has an empty protocol")
		}
	case *dns.SVCBNoDefaultAlpn:
		if !slices.Contains(keys, dns.SVCB_ALPN) {
			return errors.New("the parameter no-default-alpn needs alpn")
		}
	case *dns.SVCBDoHPath:
		if !strings.HasPrefix(p.Template, "/") || !strings.Contains(p.Template, "{?dns}") || !utf8.ValidString(p.Template) {
			return errors.New("the parameter dohpath is not the template of a path with {?dns}")
		}
	}
	return nil
}

// CheckValue returns why a value cannot be one of a change that sets or adds it.
func CheckValue(t zone.Type, value string) error {
	set, err := ParseSet(t, []string{value}, 0)
	if err != nil {
		return err
	}
	return checkBindings(t, set)
}

// checkBindings returns what is wrong with the service bindings of a set, nil of one of
// another type.
func checkBindings(t zone.Type, set Set) error {
	if t != zone.TypeHTTPS {
		return nil
	}
	for _, data := range set.Data {
		header := dns.RR_Header{Name: ".", Rrtype: uint16(t), Class: dns.ClassINET, Rdlength: uint16(len(data))}
		rr, _, err := dns.UnpackRRWithHeader(header, []byte(data), 0)
		if err == nil {
			err = CheckBinding(rr)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
