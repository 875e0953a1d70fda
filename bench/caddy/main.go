// Command caddy is Caddy with the dyndns module, for measurements.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard" // Caddy's own modules

	_ "github.com/caddy-dyndns/dyndns" // the module that is measured
)

func main() { caddycmd.Main() }
