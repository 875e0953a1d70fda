package change

import (
	"errors"
	"fmt"
	"strings"
)

// CanonicalName returns the absolute lower-case form of an owner or zone name.
// The alphabet is that of host names, with underscores and a leading asterisk
// label: what any nameserver takes without escapes, so that a name's text is
// also its identity in maps and its labels can be packed as they stand.
func CanonicalName(s string) (string, error) {
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	if s == "." {
		return "", errors.New("the name is empty")
	}
	// RFC 1035 section 2.3.4 allows 255 octets on the wire: the text with its
	// final dot is one octet shorter.
	if len(s) > 254 {
		return "", errors.New("the name is longer than 253 characters")
	}
	lower := true
	for i, start := 0, 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '.':
			if i == start {
				return "", errors.New("the name has an empty label")
			}
			if i-start > 63 {
				return "", errors.New("the name has a label longer than 63 characters")
			}
			start = i + 1
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		case 'A' <= c && c <= 'Z':
			lower = false
		case c == '*' && i == 0 && s[1] == '.':
		default:
			return "", fmt.Errorf("the name has the character %q", c)
		}
	}
	if !lower {
		s = strings.ToLower(s)
	}
	return s, nil
}

// Under tells whether a canonical name is zone itself or stands below it.
func Under(name, zone string) bool {
	if !strings.HasSuffix(name, zone) {
		return false
	}
	rest := len(name) - len(zone)
	return rest == 0 || name[rest-1] == '.'
}

// Parent returns the name without its first label.
func Parent(name string) string {
	return name[strings.IndexByte(name, '.')+1:]
}
