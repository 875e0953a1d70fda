package seed

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// Import writes the Caddyfile that does what a YAML configuration says. check returns
// the domain of a file that can be loaded.
func Import(out, warn io.Writer, path, site string, check func(*File) (domain string, err error)) error {
	file, warnings, err := Read(path)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		fmt.Fprintf(warn, "unused key: %s\n", w)
	}
	// What this configuration could not be loaded with is better said now.
	domain, err := check(file)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if site == "" {
		site = domain
	}
	if site == "" {
		site = "localhost"
	}
	var b bytes.Buffer
	fmt.Fprint(&b, `# Secrets that stand here also stand in Caddy's saved configuration.
# {env.NAME} or {file./path} in their place keeps them out of it.
{
log {
format dyndns
}
}

`)
	fmt.Fprintf(&b, "%s {\nlog\ndyndns {\n", site)
	fmt.Fprintf(&b, "secret %s\n", quote(file.Secret))
	if len(file.Nameservers) > 0 {
		fmt.Fprintf(&b, "nameserver %s\n", quote(file.Nameservers[0]))
	}
	if domain != "" {
		fmt.Fprintf(&b, "domain %s\n", domain)
	}
	for _, z := range file.Zones {
		fmt.Fprintf(&b, "zone %s %s\n", quote(z.Name), quote(z.TSIGKey))
	}
	fmt.Fprint(&b, "}\nrespond 404\n}\n")
	_, err = out.Write(caddyfile.Format(b.Bytes()))
	return err
}

// quote writes a value as one token of a Caddyfile.
func quote(value string) string {
	if value != "" && !strings.ContainsAny(value, " \t\r\n\"`#") {
		return value
	}
	return `"` + strings.ReplaceAll(value, `"`, `\"`) + `"`
}
