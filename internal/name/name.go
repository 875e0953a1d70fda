// Package name brings domain names into the one form in which all others compare
// them: absolute, lower case, A-labels, with a trailing dot.
package name

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/caddy-dyndns/dyndns/internal/redact"
)

const (
	maxName  = 253 // RFC 1035 section 2.3.4, less the root label and its length octet
	maxLabel = 63
	// maxInput bounds what the IDNA tables are asked to map; no name of maxName
	// A-label characters needs more UTF-8.
	maxInput = 4 * maxName
	// maxLabelInput is the same for one label. The effort for Punycode (RFC 3492
	// section 6.3) grows with the square of a label's length.
	maxLabelInput = 4 * maxLabel
)

// hosts and zones are UTS 46's lookup processing. Hyphens in the third and
// fourth place stay allowed: names such as r1---sn.example.com exist. Length and
// empty labels, which the profile leaves alone, are checked on the result. Only
// zones may have labels that are no host names.
var (
	hosts = newProfile(true)
	zones = newProfile(false)
)

func newProfile(strict bool) *idna.Profile {
	return idna.New(idna.MapForLookup(), idna.BidiRule(), idna.CheckJoiners(true),
		idna.CheckHyphens(false), idna.StrictDomainName(strict))
}

// Normalize returns the absolute form of a host name, which may start with "*.".
// The error is a sentence fragment that starts with the name.
func Normalize(s string) (string, error) {
	base, wildcard := strings.CutPrefix(s, "*.")
	n, err := normalize(base, hosts, false)
	if err != nil {
		return "", fmt.Errorf("%s %w", quote(s), err)
	}
	if !wildcard {
		return n, nil
	}
	if len(n)+1 > maxName { // n's dot counts for the wildcard's
		return "", fmt.Errorf("%s %w", quote(s), errTooLong)
	}
	return "*." + n, nil
}

// Zone is [Normalize] for the name of a zone: underscores are allowed, a
// wildcard is not.
func Zone(s string) (string, error) {
	n, err := normalize(s, zones, true)
	if err != nil {
		return "", fmt.Errorf("%s %w", quote(s), err)
	}
	return n, nil
}

// Owner is [Normalize] for the owner of a TXT record, which may have labels with
// underscores (RFC 8552).
func Owner(s string) (string, error) {
	if !strings.Contains(s, "_") {
		return Normalize(s)
	}
	return Zone(s)
}

func quote(s string) string {
	if s == "" {
		return "an empty text"
	}
	return redact.Echo(s)
}

var errTooLong = fmt.Errorf("is longer than %d characters", maxName)

func normalize(s string, profile *idna.Profile, underscores bool) (string, error) {
	if len(s) > maxInput {
		return "", errTooLong
	}
	absolute := strings.ToLower(s)
	if needsIDNA(s) {
		var err error
		if absolute, err = toASCII(s, profile); err != nil {
			return "", errors.New("is not a valid internationalized name")
		}
	}
	if !strings.HasSuffix(absolute, ".") {
		absolute += "."
	}
	if err := check(absolute, underscores); err != nil {
		if a, _ := netip.ParseAddr(s); a.IsValid() {
			return "", errors.New("is an IP address, not a name")
		}
		return "", err
	}
	return absolute, nil
}

// toASCII makes up for two things that the profile lets pass: broken UTF-8, and
// hyphens at the edges of a U-label, which its A-label hides (RFC 5891 section 4.2.3.1).
func toASCII(s string, profile *idna.Profile) (string, error) {
	if !utf8.ValidString(s) {
		return "", errors.New("invalid UTF-8")
	}
	for label := range strings.FieldsFuncSeq(s, isFullStop) {
		if len(label) > maxLabelInput {
			return "", errors.New("label too long")
		}
	}
	ascii, err := profile.ToASCII(s)
	if err != nil {
		return "", err
	}
	unicode, err := profile.ToUnicode(ascii)
	if err != nil {
		return "", err
	}
	if edges := "." + unicode + "."; strings.Contains(edges, ".-") || strings.Contains(edges, "-.") {
		return "", errors.New("hyphen at the edge of a label")
	}
	return ascii, nil
}

// isFullStop tells whether UTS 46 takes r for the dot between two labels.
func isFullStop(r rune) bool {
	return r == '.' || r == '\u3002' || r == '\uff0e' || r == '\uff61'
}

// needsIDNA tells whether s is more than letters to be lowered: not ASCII, or
// with an A-label, whose encoding has to be proven.
func needsIDNA(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return true
		}
		if s[i]|0x20 == 'x' && len(s) >= i+4 && (i == 0 || s[i-1] == '.') && strings.EqualFold(s[i:i+4], "xn--") {
			return true
		}
	}
	return false
}

// check is the rule for host names of RFC 1123 section 2.1.
func check(absolute string, underscores bool) error {
	if absolute == "." {
		return errors.New("is not a name")
	}
	if len(absolute) > maxName+1 {
		return errTooLong
	}
	var label string
	for rest := absolute; rest != ""; {
		label, rest, _ = strings.Cut(rest, ".")
		if err := checkLabel(label, underscores); err != nil {
			return err
		}
	}
	if strings.Trim(label, "0123456789") == "" {
		return errors.New("ends in a number as an IP address does")
	}
	return nil
}

func checkLabel(label string, underscores bool) error {
	switch {
	case label == "":
		return errors.New("has an empty label")
	case len(label) > maxLabel:
		return fmt.Errorf("has a label of more than %d characters", maxLabel)
	case label[0] == '-' || label[len(label)-1] == '-':
		return errors.New("has a label that starts or ends with a hyphen")
	}
	for i := range len(label) {
		switch c := label[i]; {
		case 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-':
		case c == '_' && underscores:
		case c == '_':
			return errors.New("has an underscore, which no host name may have")
		case c == '*':
			return errors.New("has an asterisk, which may only be the first label of a host name")
		default:
			return errors.New("has a character that no name may have")
		}
	}
	return nil
}
