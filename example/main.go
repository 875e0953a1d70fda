// Command example serves the whole thing on loopback: Caddy with the dyndns
// module on HTTPS and plain HTTP, and a nameserver with the zone
// dyn.example.com, all in this process. It prints the lines to try.
//
// Nothing is installed and no trust store is touched; everything it writes lies
// in a temporary folder that it removes when it ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	check := flag.Bool("check", false, "do the main job once (update over HTTPS, read by DNS, delete), then exit with 0 or 1")
	httpPort := flag.Int("http", 0, "port for plain HTTP; 0 takes a free one")
	httpsPort := flag.Int("https", 0, "port for HTTPS; 0 takes a free one")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, *httpPort, *httpsPort, *check); err != nil {
		fmt.Fprintln(os.Stderr, "example:", err)
		os.Exit(1)
	}
}

// run serves until the context ends, or until the check is done.
func run(ctx context.Context, out io.Writer, httpPort, httpsPort int, check bool) (err error) {
	dir, err := os.MkdirTemp("", "dyndns-example-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := start(dir, httpPort, httpsPort)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if check {
		return s.check(ctx, out)
	}
	fmt.Fprint(out, s.linesToTry())
	<-ctx.Done()
	fmt.Fprintln(out, "\nstopped")
	return nil
}
