// Command caddy is Caddy with the dyndns module, for measurements. With
// DYNDNS_BENCH_MAX_GROUP set, at most that many names share an UPDATE message.
package main

import (
	"fmt"
	"os"
	"strconv"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard" // Caddy's own modules

	_ "github.com/caddy-dyndns/dyndns" // the module that is measured
	"github.com/caddy-dyndns/dyndns/dnsupdate"
)

func main() {
	if limit := os.Getenv("DYNDNS_BENCH_MAX_GROUP"); limit != "" {
		n, err := strconv.Atoi(limit)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		dnsupdate.DefaultMaxGroup = n
	}
	caddycmd.Main()
}
