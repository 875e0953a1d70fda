package address

import (
	"net/netip"
	"strings"
	"testing"
)

// addresses that a client may report, or why it may not.
var addresses = []struct{ name, in, want, err string }{
	{"IPv4", "192.0.2.1", "192.0.2.1", ""},
	{"IPv6", "2001:DB8:0:0::1", "2001:db8::1", ""},
	{"IPv4-mapped", "::ffff:192.0.2.1", "192.0.2.1", ""},
	{"IPv4-mapped in hex", "::ffff:c000:201", "192.0.2.1", ""},
	{"RFC 1918", "10.1.2.3", "10.1.2.3", ""},
	{"ULA", "fd00::1", "fd00::1", ""},
	{"carrier-grade NAT", "100.64.0.1", "100.64.0.1", ""},
	{"documentation", "203.0.113.255", "203.0.113.255", ""},
	{"documentation IPv6", "2001:db8:ffff::1", "2001:db8:ffff::1", ""},
	{"documentation IPv6 of RFC 9637", "3fff::1", "3fff::1", ""},
	{"first after 0.0.0.0/8", "1.0.0.1", "1.0.0.1", ""},
	{"first after the IPv4-compatible ones", "::1:0:0", "::1:0:0", ""},
	{"first after the site-local ones", "ff00::1", "", "ff00::1 is a multicast address"},
	{"last before the link-local ones", "fe7f::1", "fe7f::1", ""},
	{"NAT64 of a public address", "64:ff9b::192.0.2.1", "64:ff9b::c000:201", ""},
	{"NAT64 of a private address", "64:ff9b::10.0.0.1", "64:ff9b::a00:1", ""},
	{"local NAT64 of a private address", "64:ff9b:1::10.0.0.1", "64:ff9b:1::a00:1", ""},
	{"beside NAT64", "64:ff9b:0:1::7f00:1", "64:ff9b:0:1::7f00:1", ""},
	{"6to4 of a public address", "2002:c000:201::1", "2002:c000:201::1", ""},
	{"6to4 of a private address", "2002:a00:1::1", "2002:a00:1::1", ""},
	{"Teredo of a public address", "2001:0:c000:201:0:1234:3fff:fdfe", "2001:0:c000:201:0:1234:3fff:fdfe", ""},
	{"ISATAP, whose IPv4 address is its site's own", "2001:db8::5efe:10.0.0.1", "2001:db8::5efe:a00:1", ""},
	{"last before reserved", "239.255.255.255", "", "239.255.255.255 is a multicast address"},

	{"unspecified", "0.0.0.0", "", "0.0.0.0 is the unspecified address"},
	{"unspecified IPv6", "0:0:0:0:0:0:0:0", "", ":: is the unspecified address"},
	{"unspecified, mapped", "::ffff:0.0.0.0", "", "0.0.0.0 is the unspecified address"},
	{"loopback", "127.8.9.10", "", "127.8.9.10 is a loopback address"},
	{"loopback IPv6", "::1", "", "::1 is a loopback address"},
	{"loopback, mapped", "::ffff:127.0.0.1", "", "127.0.0.1 is a loopback address"},
	{"multicast", "224.0.0.1", "", "224.0.0.1 is a multicast address"},
	{"multicast IPv6", "ff02::1", "", "ff02::1 is a multicast address"},
	{"link-local", "169.254.1.1", "", "169.254.1.1 is a link-local address"},
	{"link-local IPv6", "fe80::1", "", "fe80::1 is a link-local address"},
	{"reserved", "240.0.0.1", "", "240.0.0.1 is a reserved address"},
	{"broadcast", "255.255.255.255", "", "255.255.255.255 is the broadcast address"},
	{"this network", "0.0.0.1", "", "0.0.0.1 is a reserved address"},
	{"this network, last", "0.255.255.255", "", "0.255.255.255 is a reserved address"},
	{"this network, mapped", "::ffff:0.0.0.1", "", "0.0.0.1 is a reserved address"},
	{"IPv4-compatible", "::10.0.0.1", "", "::a00:1 is an IPv4-compatible address"},
	{"IPv4-compatible, public", "::192.0.2.1", "", "::c000:201 is an IPv4-compatible address"},
	{"IPv4-compatible, last", "::ffff:ffff", "", "::ffff:ffff is an IPv4-compatible address"},
	{"site-local", "fec0::1", "", "fec0::1 is a site-local address"},
	{"site-local, last", "feff:ffff::1", "", "feff:ffff::1 is a site-local address"},
	{"NAT64 of loopback", "64:ff9b::127.0.0.1", "", "64:ff9b::7f00:1 leads to 127.0.0.1, which is a loopback address"},
	{"NAT64 of this network", "64:ff9b::1", "", "64:ff9b::1 leads to 0.0.0.1, which is a reserved address"},
	{"NAT64 of nothing", "64:ff9b::", "", "64:ff9b:: leads to 0.0.0.0, which is the unspecified address"},
	{"NAT64 of link-local", "64:ff9b::169.254.169.254", "", "64:ff9b::a9fe:a9fe leads to 169.254.169.254, which is a link-local address"},
	{"NAT64 of multicast", "64:ff9b::224.0.0.1", "", "leads to 224.0.0.1, which is a multicast address"},
	{"NAT64 of broadcast", "64:ff9b::255.255.255.255", "", "leads to 255.255.255.255, which is the broadcast address"},
	{"local NAT64 of loopback", "64:ff9b:1::127.0.0.1", "", "64:ff9b:1::7f00:1 leads to 127.0.0.1, which is a loopback address"},
	{"local NAT64 of loopback, in a subnet", "64:ff9b:1:2:3::127.0.0.1", "", "leads to 127.0.0.1, which is a loopback address"},
	{"6to4 of loopback", "2002:7f00:1::1", "", "2002:7f00:1::1 leads to 127.0.0.1, which is a loopback address"},
	{"6to4 of reserved", "2002:f000:1:2::3", "", "leads to 240.0.0.1, which is a reserved address"},
	{"6to4 of nothing", "2002::1", "", "2002::1 leads to 0.0.0.0, which is the unspecified address"},
	{"Teredo of loopback", "2001:0:c000:201:0:1234:80ff:fffe", "", "leads to 127.0.0.1, which is a loopback address"},
	{"translated loopback", "::ffff:0:127.0.0.1", "", "leads to 127.0.0.1, which is a loopback address"},
	{"zone id", "fe80::1%eth0", "", "fe80::1 has a zone id"},
	{"zone id of a global address", "2001:db8::1%<x>", "", "2001:db8::1 has a zone id"},

	{"empty", "", "", "an empty text is not an IP address"},
	{"leading zeros", "192.000.002.001", "", "192.000.002.001 is not an IP address"},
	{"octal", "0300.0.2.1", "", "is not an IP address"},
	{"one number", "3221225985", "", "is not an IP address"},
	{"brackets", "[2001:db8::1]", "", "?2001:db8::1? is not an IP address"},
	{"port", "192.0.2.1:80", "", "is not an IP address"},
	{"length", "192.0.2.1/32", "", "is not an IP address"},
	{"space", " 192.0.2.1", "", "?192.0.2.1 is not an IP address"},
	{"name", "home.example.com", "", "home.example.com is not an IP address"},
	{"line break", "x\nERROR", "", "x?ERROR is not an IP address"},
	{"other digits", "１９２.0.2.1", "", "???.0.2.1 is not an IP address"},
}

func TestParse(t *testing.T) {
	for _, tt := range addresses {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(tt.in)
			if tt.want != "" {
				if err != nil || got.String() != tt.want {
					t.Errorf("Parse(%q) = %v, %v, want %s", tt.in, got, err, tt.want)
				}
				return
			}
			if err == nil || !strings.HasPrefix(err.Error(), tt.err) && !strings.HasSuffix(err.Error(), tt.err) {
				t.Errorf("Parse(%q) = %v, %v, want %q", tt.in, got, err, tt.err)
			}
			if got.IsValid() {
				t.Errorf("Parse(%q) = %v with an error", tt.in, got)
			}
		})
	}
}

func TestPublishableUnknown(t *testing.T) {
	if err := Publishable(netip.Addr{}); err == nil || err.Error() != "the address is unknown" {
		t.Errorf("got %v", err)
	}
}

func TestPrivate(t *testing.T) {
	tests := map[string]bool{
		"10.0.0.0": true, "172.16.0.1": true, "172.31.255.255": true, "192.168.1.1": true, "::ffff:192.168.1.1": true,
		"64:ff9b::10.0.0.1": true, "64:ff9b::100.64.0.1": true, "64:ff9b:1::192.168.1.1": true, "2002:a00:1::1": true, "2002:c0a8:101::": true,
		"2001:0:c000:201:0:1234:f5ff:fffe": true, "::ffff:0:10.0.0.1": true, "64:ff9b:1::192.0.2.1": true,
		"64:ff9b::192.0.2.1": false, "64:ff9b::8.8.8.8": false, "2002:c000:201::1": false, "2001:db8::5efe:10.0.0.1": false,
		"2001:db8::10.0.0.1": false, "64:ff9b:2::10.0.0.1": false,
		"100.64.0.0": true, "100.127.255.255": true, "fc00::1": true, "fdff::1": true, "fd00::1%eth0": true,
		"9.255.255.255": false, "172.32.0.0": false, "100.128.0.0": false, "192.0.2.1": false, "2001:db8::1": false, "fe00::1": false,
	}
	for s, want := range tests {
		if got := Private(netip.MustParseAddr(s)); got != want {
			t.Errorf("Private(%s) = %v", s, got)
		}
	}
	if !PrivateText("10.0.0.1") || PrivateText("192.0.2.1") || PrivateText("none") {
		t.Error("of a text it is told otherwise")
	}
	if Private(netip.Addr{}) {
		t.Error("no address is private")
	}
}

func FuzzParse(f *testing.F) {
	for _, tt := range addresses {
		f.Add(tt.in)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Parse(s)
		if err != nil {
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("Parse(%q): %q echoes raw input", s, err)
			}
			return
		}
		if a.Is4In6() || a.Zone() != "" || Publishable(a) != nil {
			t.Errorf("Parse(%q) = %v", s, a)
		}
		if again, err := Parse(a.String()); again != a || err != nil {
			t.Errorf("Parse(%q) = %v, and again %v, %v", s, a, again, err)
		}
	})
}
