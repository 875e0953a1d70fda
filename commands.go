package dyndns

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/internal/name"
	"github.com/caddy-dyndns/dyndns/internal/pages"
	"github.com/caddy-dyndns/dyndns/internal/seed"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "dyndns-check",
		Usage: "[--config <path>] [--adapter <name>]",
		Short: "Checks whether the zones of the dyndns handlers can be updated",
		Long: `
Finds the dyndns handlers of a configuration and tests each of their zones
against its nameservers, without starting a server: whether they can be
reached, whether they are authoritative, whether they accept the key and the
time of this machine, whether they take updates, and whether a record can be
written, read back and removed again. The record is a TXT record of a random
name. Then it asks the system's resolver for the zone above and that zone's
nameservers whether they delegate the zone to these, where anybody answers.

Placeholders such as {env.DYNDNS_SECRET} are replaced from the environment of
this command, which should therefore be that of the server.

If --config is omitted, the Caddyfile in the current directory is used. The
exit code is 0 if every zone can be updated, even where there are warnings: one
of several nameservers that is down, a delegation to others, a SOA record that
makes certificates wait. It is 1 otherwise.
`,
		Flags: func() *flag.FlagSet {
			fs := flag.NewFlagSet("dyndns-check", flag.ExitOnError)
			fs.String("config", "", "Input configuration file, - for standard input")
			fs.String("adapter", "", "Name of config adapter")
			return fs
		}(),
		Func: cmdCheck,
	})
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "dyndns-health",
		Usage: "[--address <address>]",
		Short: "Tells whether a running Caddy has dyndns zones, for health checks",
		Long: `
Asks the admin endpoint of a running Caddy for its dyndns zones. The exit code is
0 if there are any, 1 if there are none or nobody answers. Nameservers that are
down are printed, and are no failure: a restart of Caddy would not mend them.

It is the health check of a container, which has nothing else to ask with.
`,
		Flags: func() *flag.FlagSet {
			fs := flag.NewFlagSet("dyndns-health", flag.ExitOnError)
			fs.String("address", "", "Address of the admin endpoint; default: $CADDY_ADMIN, or localhost:2019")
			return fs
		}(),
		Func: func(fl caddycmd.Flags) (int, error) {
			return exitCode(printHealth(os.Stdout, cmp.Or(fl.String("address"), caddy.DefaultAdminListen)))
		},
	})
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "dyndns-token",
		Usage: "[--token <token>] [--acme <host> [--url <url>]]",
		Short: "Prints a random token for a dyndns client and its digest",
		Long: `
Prints two lines: a random token, which goes to the router or script, and the
sha256: line that stands for it in the configuration. A configuration that
holds digests only tells no one how to change a name.

With --token, prints the sha256: line of an existing token; --token - reads it
from standard input, which keeps it out of the shell's history.

With --acme, prints the account of acme-dns for that host, as clients of acme-dns
read it from a file: lego, Traefik, cert-manager, Caddy. --url is the base URL of
the server, which some of them take from there. The sha256: line then goes to
standard error.
`,
		Flags: func() *flag.FlagSet {
			fs := flag.NewFlagSet("dyndns-token", flag.ExitOnError)
			fs.String("token", "", "An existing token, - for standard input")
			fs.String("acme", "", "The host to print an account of acme-dns for")
			fs.String("url", "", "The base URL of the server, for the account")
			return fs
		}(),
		Func: func(fl caddycmd.Flags) (int, error) {
			if host := fl.String("acme"); host != "" {
				return exitCode(printAccount(os.Stdout, os.Stderr, os.Stdin, fl.String("token"), host, fl.String("url")))
			}
			return exitCode(printToken(os.Stdout, os.Stdin, fl.String("token")))
		},
	})
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "dyndns-import",
		Usage: "[--site <address>] <dyndns.yml>",
		Short: "Turns the YAML configuration of the Python dyndns into a Caddyfile",
		Long: `
Reads the YAML configuration of the Python application dyndns, checks it and
prints a Caddyfile that does the same.

The site's address is the dyndns_domain of the file unless --site names
another; with neither it is localhost, to be replaced by the host name that the
routers call. The Caddyfile holds the secrets of the YAML file.
`,
		Flags: func() *flag.FlagSet {
			fs := flag.NewFlagSet("dyndns-import", flag.ExitOnError)
			fs.String("site", "", "Address of the site")
			return fs
		}(),
		Func: func(fl caddycmd.Flags) (int, error) {
			if fl.NArg() != 1 {
				return exitCode(errors.New("one YAML file is needed"))
			}
			return exitCode(seed.Import(os.Stdout, os.Stderr, fl.Arg(0), fl.String("site"), checkSeed))
		},
	})
}

func exitCode(err error) (int, error) {
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	return caddy.ExitCodeSuccess, nil
}

// printHealth prints what the admin endpoint at an address says of the zones, and fails
// if it has none.
func printHealth(out io.Writer, address string) error {
	res, err := caddycmd.AdminAPIRequest(address, http.MethodGet, pathStatus, nil, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var status statusReply
	if err := json.NewDecoder(res.Body).Decode(&status); err != nil {
		return fmt.Errorf("reading the answer of the admin endpoint: %w", err)
	}
	if len(status.Zones) == 0 {
		return errors.New("no dyndns handler is running")
	}
	for _, z := range status.Zones {
		for _, n := range z.Nameservers {
			if n.Up != nil && !*n.Up {
				fmt.Fprintf(out, "%s nameserver %s is down: %s\n", z.Zone, n.Address, n.LastError)
			}
		}
	}
	_, err = fmt.Fprintf(out, "healthy, zones: %d\n", len(status.Zones))
	return err
}

// printToken prints a new token with its digest, or the digest of the given one.
func printToken(out io.Writer, in io.Reader, given string) error {
	token, digest, err := readToken(in, given)
	if err != nil {
		return err
	}
	if given == "" {
		fmt.Fprintln(out, token)
	}
	_, err = fmt.Fprintln(out, digest)
	return err
}

// printAccount prints the account of acme-dns of a host, with a new token or the given one.
func printAccount(out, digests io.Writer, in io.Reader, given, host, url string) error {
	fqdn, err := name.Normalize(host)
	if err != nil {
		return fmt.Errorf("acme: %w", err)
	}
	token, digest, err := readToken(in, given)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(digests, digest); err != nil {
		return err
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "\t")
	return encoder.Encode(pages.Accounts(fqdn, token, url))
}

// readToken returns the given token, the one on standard input or a new one, and its digest.
func readToken(in io.Reader, token string) (string, clients.Digest, error) {
	switch token {
	case "":
		token = rand.Text()
	case "-":
		data, err := io.ReadAll(io.LimitReader(in, 4096))
		if err != nil {
			return "", clients.Digest{}, fmt.Errorf("reading token: %w", err)
		}
		token = strings.TrimRight(string(data), "\r\n")
	}
	digest, err := clients.ParseToken(token)
	if err != nil {
		return "", digest, fmt.Errorf("this is no token: %w", err)
	}
	if strings.HasPrefix(token, "sha256:") {
		return "", digest, errors.New("this is a digest already")
	}
	return token, digest, nil
}

// checkSeed returns the domain of a file that a handler can be loaded with.
func checkSeed(file *seed.File) (string, error) {
	h := Handler{Secret: file.Secret, Nameservers: file.Nameservers}
	if file.Domain != "" {
		h.Domains = []string{file.Domain}
	}
	for _, z := range file.Zones {
		h.Zones = append(h.Zones, zoneOf(z))
	}
	c, err := h.compile()
	if err != nil {
		return "", err
	}
	ctx, cancel, err := guestContext(nil)
	if err != nil {
		return "", err
	}
	defer cancel()
	for i := range c.zones {
		if _, err := c.zones[i].open(ctx); err != nil {
			return "", err
		}
	}
	return cmp.Or(c.domains...), nil
}
