// Command caddy is Caddy with its standard modules and dyndns, as it is released.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard" // Caddy's own modules

	_ "github.com/caddy-dyndns/dyndns" // the module
)

func main() { caddycmd.Main() }
