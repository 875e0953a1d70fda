package redact

import "strings"

// kind is what the value of an argument is. The zero value is a secret.
type kind uint8

const (
	secret kind = iota
	host
	address
	number
	flag
)

type table map[string]kind

// arguments are the names of the arguments of every dialect, in lower case, and
// those that routers send beside them. The user's name is a secret: some routers
// put the token there. So is txt, which has the form of a token.
var arguments = table{
	"hostname": host, "host_id": host, "host": host, "domain": host, "domains": host, "fqdn": host, "dn": host,
	"h": host, "zone": host, "id": host, "zone_name": host, "record_name": host, "name": host, "mx": host,

	"myip": address, "ip": address, "ipaddr": address, "address": address, "dnsto": address,
	"myipv4": address, "ipv4": address, "ip4": address, "a": address, "ip_1": address, "ip_2": address,
	"myipv6": address, "ipv6": address, "ip6": address, "ip6addr": address, "aaaa": address, "myip6": address, "myip2": address,
	"ip6lanprefix": address, "ipv6prefix": address,

	"ttl": number,

	"system": flag, "wildcard": flag, "backmx": flag, "offline": flag, "keepipv4": flag, "keepipv6": flag,
	"clear": flag, "verbose": flag, "dualstack": flag, "mode": flag,

	"secret": secret, "token": secret, "password": secret, "pass": secret, "passwd": secret, "pwd": secret, "key": secret,
	"apikey": secret, "k": secret, "authkey": secret, "user": secret, "username": secret, "login": secret, "u": secret,
	"ddnsuser": secret, "txt": secret, "url": secret,
}

// flags are the words that clients send in place of a value.
var flags = table{
	"yes": flag, "no": flag, "true": flag, "false": flag, "on": flag, "off": flag, "1": flag, "0": flag, "nochg": flag,
	"auto": flag, "preserve": flag, "none": flag, "-": flag, "dyndns": flag, "statdns": flag, "custom": flag, "noip": flag, "prefix": flag,
}

func (t table) has(name string) bool {
	_, ok := t.find(name)
	return ok
}

// find looks up a name in any case, without allocation.
func (t table) find(name string) (kind, bool) {
	var lower [16]byte
	if len(name) > len(lower) {
		return 0, false
	}
	for i := range len(name) {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	k, ok := t[string(lower[:len(name)])]
	return k, ok
}

// argumentKind returns what the argument of that name holds. A name such as
// myipv6:<host>[,<host>] is for single hosts.
func argumentKind(name string) (kind, bool) {
	argument, hosts, single := strings.Cut(name, ":")
	k, ok := arguments.find(argument)
	if single && (k != address || !host.fits(hosts)) {
		return 0, false
	}
	return k, ok
}

// fits tells whether a value, or each of a list with commas, has the form of its kind.
func (k kind) fits(value string) bool {
	if value == "" {
		return true
	}
	for item := range strings.SplitSeq(value, ",") {
		if item = strings.TrimSpace(item); item != "" && !k.fitsItem(item) {
			return false
		}
	}
	return true
}

func (k kind) fitsItem(item string) bool {
	switch k {
	case host:
		return isShort(item) || isName(item) || flags.has(item)
	case address:
		return isAddress(item) || flags.has(item)
	case number:
		return isNumber(item)
	case flag:
		return flags.has(item)
	}
	return false
}
