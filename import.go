package dyndns

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// importSeed writes the Caddyfile that does what a YAML configuration says.
func importSeed(out, warn io.Writer, path, site string) error {
	file, warnings, err := readSeedFile(path)
	if err != nil {
		return err
	}
	for _, w := range warnings {
		fmt.Fprintf(warn, "unused key: %s\n", w)
	}
	// What this configuration could not be loaded with is better said now.
	c, err := (&Handler{Secret: file.Secret, Nameservers: file.Nameservers, Domain: file.Domain, Zones: file.Zones}).compile()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if site == "" {
		site = c.domain
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
	if c.domain != "" {
		fmt.Fprintf(&b, "domain %s\n", c.domain)
	}
	for _, z := range file.Zones {
		fmt.Fprintf(&b, "zone %s %s\n", quote(z.Name), quote(z.TSIG.Secret))
	}
	fmt.Fprint(&b, "}\n}\n")
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
