package redact

import (
	"maps"
	"strings"
)

// Kind is what the value of an argument is. The zero value is a secret.
type Kind uint8

// The kinds of arguments. What has not the form of its kind is not shown.
const (
	KindSecret Kind = iota
	KindHost
	KindAddress
	KindNumber
	KindFlag
)

// Kinds are kinds by the names of the arguments in lower case.
type Kinds map[string]Kind

// arguments are those that routers send beside the ones of the dialects, which
// [Know] adds. The user's name is a secret: some routers put the token there.
var arguments = Kinds{
	"name": KindHost, "mx": KindHost,
	"system": KindFlag, "wildcard": KindFlag, "backmx": KindFlag, "dualstack": KindFlag, "mode": KindFlag,
	"user": KindSecret, "username": KindSecret, "login": KindSecret, "u": KindSecret, "ddnsuser": KindSecret, "url": KindSecret,
}

// Know adds arguments whose names and values may be shown, as their kinds say. It is
// not for use after the program's start.
func Know(more Kinds) { maps.Copy(arguments, more) }

// flags are the words that clients send in place of a value.
var flags = Kinds{
	"yes": KindFlag, "no": KindFlag, "true": KindFlag, "false": KindFlag, "on": KindFlag, "off": KindFlag, "1": KindFlag, "0": KindFlag, "nochg": KindFlag,
	"auto": KindFlag, "preserve": KindFlag, "none": KindFlag, "-": KindFlag, "dyndns": KindFlag, "statdns": KindFlag, "custom": KindFlag, "noip": KindFlag, "prefix": KindFlag,
}

func (t Kinds) has(name string) bool {
	_, ok := t.find(name)
	return ok
}

// find looks up a name in any case, without allocation.
func (t Kinds) find(name string) (Kind, bool) {
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
func argumentKind(name string) (Kind, bool) {
	argument, hosts, single := strings.Cut(name, ":")
	k, ok := arguments.find(argument)
	if single && (k != KindAddress || !KindHost.fits(hosts)) {
		return 0, false
	}
	return k, ok
}

// fits tells whether a value, or each of a list with commas, has the form of its kind.
func (k Kind) fits(value string) bool {
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

func (k Kind) fitsItem(item string) bool {
	switch k {
	case KindHost:
		return isShort(item) || isName(item) || flags.has(item)
	case KindAddress:
		return isAddress(item) || flags.has(item)
	case KindNumber:
		return isNumber(item)
	case KindFlag:
		return flags.has(item)
	}
	return false
}
