package clients

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/caddy-dyndns/dyndns/internal/address"
	"github.com/caddy-dyndns/dyndns/internal/name"
	"github.com/caddy-dyndns/dyndns/internal/redact"
)

// Record is a client as sources keep it outside of a configuration, in JSON.
type Record struct {
	// Name is what logs and statistics call the client; see [CheckName].
	Name string `json:"name"`
	// Tokens are those of the router or script.
	Tokens []Token `json:"tokens,omitempty"`
	// Owner are those of the person: they show the pages and change no name.
	Owner []Token `json:"owner,omitempty"`
	// Hosts are patterns, as in [Spec].
	Hosts []string `json:"hosts"`
	// LAN are the hosts that a prefix of this client moves.
	LAN []RecordLAN `json:"lan,omitempty"`
	// From are the networks that it may ask from; none means any.
	From []string `json:"from,omitempty"`
	// Limit is nil if there is none.
	Limit *RecordLimit `json:"limit,omitempty"`
	// Disabled keeps it from everything.
	Disabled bool `json:"disabled,omitempty"`
	// NoCertificates keeps it from changing ACME challenges.
	NoCertificates bool `json:"no_certificates,omitempty"`
	// Note is for whoever manages the clients.
	Note string `json:"note,omitempty"`
}

// RecordLAN is a LAN host in JSON.
type RecordLAN struct {
	Name string `json:"name"`
	// InterfaceID is as [address.ParseIID] reads it.
	InterfaceID string `json:"interface_id"`
}

// RecordLimit is a [Limit] in JSON.
type RecordLimit struct {
	Changes int `json:"changes"`
	// Per is a duration such as "1h" or "7d".
	Per string `json:"per"`
}

// ErrBadRecord is among the errors of a record of which no client can be made. Somebody
// has to mend it; to ask again does not help.
var ErrBadRecord = errors.New("bad record")

// MaxRecord is the greatest length of a record in JSON, in bytes.
const MaxRecord = 64 << 10

// ParseRecord reads a record and checks all of it that does not depend on zones. An
// unknown member is an error: it may be a misspelt restriction. All errors are
// [ErrBadRecord], name the client where they can, and quote no token.
func ParseRecord(data []byte) (*Record, error) {
	r, err := DecodeRecord(data)
	if err == nil {
		err = r.Check()
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// DecodeRecord is [ParseRecord] without the check.
func DecodeRecord(data []byte) (*Record, error) {
	r := new(Record)
	if err := DecodeStrict(data, r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadRecord, err)
	}
	return r, nil
}

// Check returns what is wrong with a record, whatever the zones are.
func (r *Record) Check() error {
	if err := r.check(); err != nil {
		return r.bad(err)
	}
	return nil
}

func (r *Record) bad(err error) error {
	return fmt.Errorf("%w: client %s: %w", ErrBadRecord, redact.ClientName(r.Name), err)
}

func (r *Record) check() error {
	if err := CheckName(r.Name); err != nil {
		return err
	}
	spec, err := r.spec()
	if err != nil {
		return err
	}
	if _, err := newClient(spec, name.Zones{}, keepOutside); err != nil {
		return err
	}
	digests := make(map[Digest]bool)
	for token := range r.all() {
		if digests[token.Digest] {
			return errors.New("token: the same one is given twice")
		}
		digests[token.Digest] = true
	}
	return nil
}

// Outside returns the first host of the record that lies in none of the handler's zones,
// with which nothing could be done there.
func (r *Record) Outside(c Config) error {
	spec, err := r.spec()
	if err == nil {
		_, err = newClient(spec, c.zones, refuseOutside)
	}
	return err
}

func (r *Record) spec() (Spec, error) {
	spec := Spec{Name: r.Name, Hosts: r.Hosts, From: r.From, Disabled: r.Disabled, NoCertificates: r.NoCertificates}
	for _, l := range r.LAN {
		id, err := address.ParseIID(l.InterfaceID)
		if err != nil {
			return spec, fmt.Errorf("lan %s: %w", redact.Echo(l.Name), err)
		}
		spec.LAN = append(spec.LAN, LAN{Name: l.Name, InterfaceID: id})
	}
	if r.Limit != nil {
		per, err := ParseDuration(r.Limit.Per)
		if err != nil {
			return spec, fmt.Errorf("limit: %w", err)
		}
		spec.Limit = &Limit{Changes: r.Limit.Changes, Per: per}
	}
	return spec, nil
}

// all yields the tokens of both kinds; the value tells whether it is an owner's.
func (r *Record) all() iter.Seq2[Token, bool] {
	return func(yield func(Token, bool) bool) {
		for i, t := range slices.Concat(r.Tokens, r.Owner) {
			if !yield(t, i >= len(r.Tokens)) {
				return
			}
		}
	}
}

// Digests returns those of all tokens of the record.
func (r *Record) Digests() []Digest {
	var digests []Digest
	for t := range r.all() {
		digests = append(digests, t.Digest)
	}
	return digests
}

// Lists tells whether the record has a token of this digest, expired or not.
func (r *Record) Lists(digest Digest) bool { return slices.Contains(r.Digests(), digest) }

// Names returns the normalised names that the record has without a pattern, those of LAN
// hosts and of texts too.
func (r *Record) Names() []string {
	var names []string
	add := func(text string) {
		if n, err := name.Owner(text); err == nil && !strings.HasPrefix(n, "*.") && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	for _, host := range r.Hosts {
		add(host)
	}
	for _, l := range r.LAN {
		add(l.Name)
	}
	return names
}

// RecordClient returns the client of a record for one of its tokens, nil if it has no
// token of this digest. A host that lies in no zone of the handler is left out. Its errors
// are [ErrBadRecord].
func (c Config) RecordClient(r *Record, digest Digest) (*Client, error) {
	for token, owner := range r.all() {
		if token.Digest != digest {
			continue
		}
		spec, err := r.spec()
		if err != nil {
			return nil, r.bad(err)
		}
		client, err := c.NewClient(spec)
		if err != nil {
			return nil, r.bad(err)
		}
		client.owner = owner
		if !token.Expires.IsZero() {
			client.expires = token.Expires.UnixNano()
		}
		return client, nil
	}
	return nil, nil
}

// maxNameLength is that of a client's name in bytes.
const maxNameLength = 200

// CheckName returns why a record's name cannot be one: it stands in logs, tables and URLs.
func CheckName(s string) error {
	switch {
	case s == "":
		return errors.New("the name is empty")
	case len(s) > maxNameLength:
		return fmt.Errorf("the name is longer than %d bytes", maxNameLength)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errors.New("the name has a character that cannot be printed")
	case strings.ContainsAny(s, `/\`) || s == "." || s == "..":
		return errors.New("the name must not be a path")
	case strings.TrimSpace(s) != s:
		return errors.New("the name begins or ends with a space")
	}
	return nil
}

// ParseDuration reads a positive duration such as 90s, 1h or 7d.
func ParseDuration(text string) (time.Duration, error) {
	long := text
	if days, ok := strings.CutSuffix(text, "d"); ok {
		long = days + "h"
	}
	d, err := time.ParseDuration(long)
	if err == nil && long != text {
		if d > math.MaxInt64/24 {
			d = 0
		}
		d *= 24
	}
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%s is not a duration such as 1h", redact.Echo(text))
	}
	return d, nil
}
