package clients

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddy-dyndns/dyndns/internal/name"
	"github.com/caddy-dyndns/dyndns/internal/redact"
)

// Static is the source of the clients of a configuration. It never changes.
type Static struct {
	clients []*Client
	tokens  map[Digest]*Client
}

// NewStatic checks the clients and their patterns against the handler's zones. Its
// error names client and directive, and never a token.
func NewStatic(specs []Spec, c Config) (*Static, error) {
	s := &Static{tokens: make(map[Digest]*Client, len(specs))}
	names := make(map[string]bool, len(specs))
	for _, spec := range specs {
		if spec.Name == "" {
			return nil, errors.New("client: the name is empty")
		}
		if names[spec.Name] {
			return nil, fmt.Errorf("client %s: a client of this name exists already", redact.ClientName(spec.Name))
		}
		names[spec.Name] = true
		if err := s.add(spec, c); err != nil {
			if spec.Unrestricted {
				return nil, err
			}
			return nil, fmt.Errorf("client %s: %w", redact.ClientName(spec.Name), err)
		}
	}
	return s, nil
}

func (s *Static) add(spec Spec, c Config) error {
	client, err := newClient(spec, c.zones, refuseOutside)
	if err != nil {
		return err
	}
	directive, parse := "token", ParseToken
	if spec.Unrestricted {
		directive, parse = "secret", parseSecret
	}
	if len(spec.Tokens) == 0 {
		return fmt.Errorf("%s: none is given", directive)
	}
	for _, token := range spec.Tokens {
		d, err := parse(token)
		if err != nil {
			return fmt.Errorf("%s: %w", directive, err)
		}
		if owner := s.tokens[d]; owner != nil {
			return fmt.Errorf("%s: the same one is given twice, first by client %s", directive, redact.ClientName(owner.Name))
		}
		s.tokens[d] = client
	}
	s.clients = append(s.clients, client)
	return nil
}

// Overlap is a host of one client that lies so below that of another that a wildcard
// certificate of the other is one for it too.
type Overlap struct{ Host, Client, Wildcard, Other string }

// Overlaps returns those among names that are granted without a pattern, sorted by host.
func (s *Static) Overlaps() (overlaps []Overlap) {
	certified := make(map[string][]*Client)
	for _, c := range s.clients {
		if !c.noCertificates {
			for _, fqdn := range c.exact {
				certified[fqdn] = append(certified[fqdn], c)
			}
		}
	}
	for _, c := range s.clients {
		for _, fqdn := range c.exact {
			above, _ := name.Parent(fqdn)
			for _, other := range certified[above] {
				if other != c && !strings.HasPrefix(fqdn, "_") {
					overlaps = append(overlaps, Overlap{fqdn, c.Name, "*." + above, other.Name})
				}
			}
		}
	}
	slices.SortFunc(overlaps, func(a, b Overlap) int {
		return cmp.Or(strings.Compare(a.Host, b.Host), strings.Compare(a.Client, b.Client), strings.Compare(a.Other, b.Other))
	})
	return overlaps
}

// Shared is a host that several clients have without a pattern, by their names as a log
// may show them.
type Shared struct {
	Host    string
	Clients []string
}

// Shared returns those, sorted by host. A name that only a TXT record can have is none.
func (s *Static) Shared() (shared []Shared) {
	owners := make(map[string][]string)
	for _, c := range s.clients {
		for _, fqdn := range c.exact {
			if !strings.HasPrefix(fqdn, "_") {
				owners[fqdn] = append(owners[fqdn], redact.ClientName(c.Name))
			}
		}
	}
	for host, names := range owners {
		if len(names) > 1 {
			slices.Sort(names)
			shared = append(shared, Shared{host, names})
		}
	}
	slices.SortFunc(shared, func(a, b Shared) int { return strings.Compare(a.Host, b.Host) })
	return shared
}

// FindClient returns the client that the token belongs to, nil if there is none,
// and never an error.
func (s *Static) FindClient(_ context.Context, digest Digest) (*Client, error) {
	return s.tokens[digest], nil
}
