package address

import (
	"net/netip"
	"strings"
	"testing"
)

var cidrs = []struct {
	name, in     string
	addr, prefix string // empty: invalid
	err          string
}{
	{"bare IPv4", "192.0.2.1", "192.0.2.1", "", ""},
	{"bare IPv6", "2001:db8::1", "2001:db8::1", "", ""},
	{"IPv4 /32", "192.0.2.1/32", "192.0.2.1", "", ""},
	{"IPv4 of a network", "192.0.2.1/24", "192.0.2.1", "", ""},
	{"IPv4 network", "192.0.2.0/24", "", "", "192.0.2.0/24 is an IPv4 network"},
	{"IPv4-mapped", "::ffff:192.0.2.1/128", "192.0.2.1", "", ""},
	{"IPv4-mapped of a network", "::ffff:192.0.2.1/120", "192.0.2.1", "", ""},
	{"IPv4-mapped with bits of the mapping", "::ffff:192.0.2.1/70", "", "", "no valid prefix length"},
	{"address and /64", "2001:db8:1:2::5/64", "2001:db8:1:2::5", "2001:db8:1:2::/64", ""},
	{"address and /56", "2001:db8:1:2::5/56", "2001:db8:1:2::5", "2001:db8:1::/56", ""},
	{"prefix /64", "2001:db8:1:2::/64", "", "2001:db8:1:2::/64", ""},
	{"prefix /62", "2001:db8:1:4::/62", "", "2001:db8:1:4::/62", ""},
	{"prefix /48", "2001:db8:1::/48", "", "2001:db8:1::/48", ""},
	{"ULA prefix", "fd00:1::/48", "", "fd00:1::/48", ""},
	{"subnet bits below the prefix", "2001:db8:1:2::/56", "", "2001:db8:1::/56", ""},
	{"address /128", "2001:db8::1/128", "2001:db8::1", "", ""},
	{"address /96", "2001:db8::1/96", "2001:db8::1", "", ""},
	{"too long", "2001:db8::/65", "", "", "not a prefix of /48 to /64"},
	{"too short", "2001:db8::/47", "", "", "not a prefix of /48 to /64"},
	{"too short with an address", "2001:db8::1/32", "", "", "not a prefix of /48 to /64"},
	{"everything", "::/0", "", "", "not a prefix of /48 to /64"},
	{"unspecified", "::/64", "", "", "the unspecified address"},
	{"loopback", "::1/64", "", "", "::1 is a loopback address"},
	{"link-local", "fe80::/64", "", "", "a link-local address"},
	{"multicast", "ff00::/56", "", "", "a multicast address"},
	{"site-local", "fec0:0:0:1::/64", "", "", "fec0:0:0:1:: is a site-local address"},
	{"NAT64", "64:ff9b::/64", "", "", "64:ff9b:: leads to 0.0.0.0"},
	{"local NAT64", "64:ff9b:1::/48", "", "", "64:ff9b:1:: leads to 0.0.0.0"},
	{"NAT64 with a host", "64:ff9b::192.0.2.1/64", "", "", "64:ff9b:: leads to 0.0.0.0"},
	{"Teredo", "2001:0:c000:201::/64", "", "", "2001:0:c000:201:: leads to 255.255.255.255"},
	{"6to4 of loopback", "2002:7f00:1::/48", "", "", "2002:7f00:1:: leads to 127.0.0.1, which is a loopback address"},
	{"6to4 of loopback, with a host", "2002:7f00:1::5/64", "", "", "leads to 127.0.0.1"},
	{"6to4 of a public address", "2002:c000:201::/48", "", "2002:c000:201::/48", ""},
	{"IPv4 of this network", "0.0.0.1/8", "", "", "0.0.0.1 is a reserved address"},
	{"IPv4-compatible", "::10.0.0.1/128", "", "", "::a00:1 is an IPv4-compatible address"},
	{"zone id", "fe80::1%eth0/64", "", "", "zone id"},
	{"zone id behind", "fe80::/64%eth0", "", "", "no valid prefix length"},
	{"no length", "2001:db8::/", "", "", "no valid prefix length"},
	{"signed length", "2001:db8::/+64", "", "", "no valid prefix length"},
	{"leading zero", "2001:db8::/064", "", "", "no valid prefix length"},
	{"length beyond the address", "192.0.2.1/33", "", "", "no valid prefix length"},
	{"length beyond a byte", "2001:db8::/320", "", "", "no valid prefix length"},
	{"two lengths", "2001:db8::/64/64", "", "", "no valid prefix length"},
	{"no address", "/64", "", "", "an empty text is not an IP address"},
	{"name", "home/64", "", "", "home is not an IP address"},
	{"empty", "", "", "", "not an IP address"},
}

func TestParseCIDR(t *testing.T) {
	for _, tt := range cidrs {
		t.Run(tt.name, func(t *testing.T) {
			addr, prefix, err := ParseCIDR(tt.in)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || addr.IsValid() || prefix.IsValid() {
					t.Errorf("ParseCIDR(%q) = %v, %v, %v, want %q", tt.in, addr, prefix, err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatalf("ParseCIDR(%q): %v", tt.in, err)
			}
			if addr.IsValid() != (tt.addr != "") || addr.IsValid() && addr.String() != tt.addr {
				t.Errorf("ParseCIDR(%q): address %v, want %q", tt.in, addr, tt.addr)
			}
			if prefix.IsValid() != (tt.prefix != "") || prefix.IsValid() && prefix.String() != tt.prefix {
				t.Errorf("ParseCIDR(%q): prefix %v, want %q", tt.in, prefix, tt.prefix)
			}
		})
	}
}

func TestParsePrefix(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"/64", "2001:db8:1:2::/64", "2001:db8:1:2::/64"},
		{"/48", "2001:db8:1::/48", "2001:db8:1::/48"},
		{"host bits", "2001:db8:1:2::5/60", "2001:db8:1::/60"},
		{"no length", "2001:db8:1:2::", ""},
		{"IPv4", "192.0.2.1/32", ""},
		{"/65", "2001:db8:1:2::/65", ""},
		{"/128", "2001:db8:1:2::1/128", ""},
		{"link-local", "fe80::1/64", ""},
		{"empty", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParsePrefix(tt.in)
			if (err == nil) != (tt.want != "") || err == nil && got.String() != tt.want {
				t.Errorf("ParsePrefix(%q) = %v, %v, want %q", tt.in, got, err, tt.want)
			}
		})
	}
}

func TestParseIID(t *testing.T) {
	tests := []struct{ name, in, err string }{
		{"identifier", "::1:2:3:4", ""},
		{"with a subnet id", "::a:1:2:3:4", ""},
		{"small", "::1", ""},
		{"like an IPv4-mapped address", "::ffff:192.0.2.1", ""},
		{"bits above the subnet id", "0:0:1::1", "upper 48"},
		{"whole address", "2001:db8::1", "upper 48"},
		{"zero", "::", "names no host"},
		{"subnet id alone", "0:0:0:a::", "names no host"},
		{"IPv4", "0.0.0.1", "not an interface identifier"},
		{"zone id", "::1%eth0", "not an interface identifier"},
		{"text", "x", "x is not an interface identifier"},
		{"empty", "", "not an interface identifier"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseIID(tt.in)
			if tt.err == "" {
				if err != nil || got != netip.MustParseAddr(tt.in) {
					t.Errorf("ParseIID(%q) = %v, %v", tt.in, got, err)
				}
			} else if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("ParseIID(%q) = %v, %v, want %q", tt.in, got, err, tt.err)
			}
		})
	}
}

func TestCompose(t *testing.T) {
	tests := []struct{ name, prefix, iid, want, err string }{
		{"/64", "2001:db8:1:2::/64", "::1:2:3:4", "2001:db8:1:2:1:2:3:4", ""},
		{"/56 with a subnet id", "2001:db8:1:200::/56", "::a5:1:2:3:4", "2001:db8:1:2a5:1:2:3:4", ""},
		{"/48 with a subnet id", "2001:db8:1::/48", "::ffff:1:2:3:4", "2001:db8:1:ffff:1:2:3:4", ""},
		{"/62 with the last subnet", "2001:db8:1:4::/62", "::3:0:0:0:1", "2001:db8:1:7::1", ""},
		{"like an IPv4-mapped address", "2001:db8:1:2::/64", "::ffff:192.0.2.1", "2001:db8:1:2:0:ffff:c000:201", ""},
		{"prefix with host bits", "2001:db8:1:2::9/64", "::1", "2001:db8:1:2::1", ""},
		{"subnet id inside /64", "2001:db8:1:2::/64", "::1:0:0:0:1", "", "does not fit behind a /64 prefix"},
		{"subnet id inside /56", "2001:db8:1::/56", "::1a5:1:2:3:4", "", "does not fit behind a /56 prefix"},
		{"identifier of no host", "2001:db8:1::/56", "0:0:0:a::", "", "names no host"},
		{"prefix too long", "2001:db8:1::/72", "::1", "", "not a prefix"},
		{"IPv4 prefix", "192.0.2.0/24", "::1", "", "IPv4 network"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Compose(netip.MustParsePrefix(tt.prefix), netip.MustParseAddr(tt.iid))
			if tt.err == "" {
				if err != nil || got != netip.MustParseAddr(tt.want) {
					t.Errorf("got %v, %v, want %s", got, err, tt.want)
				}
			} else if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %v, %v, want %q", got, err, tt.err)
			}
		})
	}
	if _, err := Compose(netip.Prefix{}, netip.MustParseAddr("::1")); err == nil {
		t.Error("no prefix: want an error")
	}
	if _, err := Compose(netip.MustParsePrefix("2001:db8::/64"), netip.Addr{}); err == nil {
		t.Error("no interface identifier: want an error")
	}
}

func FuzzParseCIDR(f *testing.F) {
	for _, tt := range cidrs {
		f.Add(tt.in)
	}
	iid := netip.MustParseAddr("::1:2:3:4")
	f.Fuzz(func(t *testing.T, s string) {
		addr, prefix, err := ParseCIDR(s)
		if (err == nil) != (addr.IsValid() || prefix.IsValid()) {
			t.Fatalf("ParseCIDR(%q) = %v, %v, %v", s, addr, prefix, err)
		}
		if addr.IsValid() && (Publishable(addr) != nil || addr.Is4In6()) {
			t.Errorf("ParseCIDR(%q): address %v", s, addr)
		}
		if !prefix.IsValid() {
			return
		}
		if prefix.Addr() == addr || prefix != prefix.Masked() {
			t.Errorf("ParseCIDR(%q) = %v, %v", s, addr, prefix)
		}
		host, err := Compose(prefix, iid)
		if err != nil || !prefix.Contains(host) || Publishable(host) != nil {
			t.Errorf("Compose(%v, %v) = %v, %v", prefix, iid, host, err)
		}
	})
}

func FuzzParseIID(f *testing.F) {
	f.Add("::1:2:3:4")
	f.Add("::a:1:2:3:4")
	f.Add("::ffff:192.0.2.1")
	prefix := netip.MustParsePrefix("2001:db8:1::/48")
	f.Fuzz(func(t *testing.T, s string) {
		iid, err := ParseIID(s)
		if err != nil {
			return
		}
		if host, err := Compose(prefix, iid); err != nil || !prefix.Contains(host) || host == prefix.Addr() {
			t.Errorf("Compose(%v, %v) = %v, %v", prefix, iid, host, err)
		}
	})
}
