package dyndns

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/caddy-dyndns/dyndns/internal/redact"
	"github.com/caddy-dyndns/dyndns/zone"
)

// cmdCheck is the command dyndns-check.
func cmdCheck(fl caddycmd.Flags) (int, error) {
	config, _, _, err := caddycmd.LoadConfig(fl.String("config"), fl.String("adapter"))
	if err != nil {
		return exitCode(err)
	}
	return exitCode(checkConfig(context.Background(), os.Stdout, config))
}

// checkConfig tests every zone of every handler in a JSON configuration, and
// each only once.
func checkConfig(ctx context.Context, out io.Writer, config []byte) error {
	handlers, err := findHandlers(config)
	if err != nil {
		return err
	}
	if len(handlers) == 0 {
		return errors.New("the configuration holds no dyndns handler")
	}
	var whole caddy.Config
	if err := json.Unmarshal(config, &whole); err != nil {
		return fmt.Errorf("decoding config: %w", err)
	}
	guests, cancel, err := guestContext(whole.StorageRaw)
	if err != nil {
		return err
	}
	defer cancel()
	seen := make(map[any]bool) // handlers share them
	bad, warned := 0, 0
	for _, h := range handlers {
		c, err := h.compile()
		if err != nil {
			return err
		}
		if err := h.Validate(); err != nil {
			return err
		}
		for _, w := range c.warnings {
			fmt.Fprintf(out, "unused key: %s\n", w)
		}
		for _, s := range c.clients.Shared() {
			fmt.Fprintf(out, "several clients may change %s, and the last one wins: %s\n", redact.Name(s.Host), strings.Join(s.Clients, ", "))
		}
		for _, o := range c.clients.Overlaps() {
			fmt.Fprintf(out, "client %s may get certificates for %s, which hold for %s of client %s too: no_certificates keeps it from that\n",
				redact.ClientName(o.Other), redact.Name(o.Wildcard), redact.Name(o.Host), redact.ClientName(o.Client))
		}
		for i := range c.zones {
			z, err := c.zones[i].open(guests)
			if err != nil {
				return err
			}
			key := identity(z)
			if seen[key] {
				continue
			}
			seen[key] = true
			checker, ok := z.(zone.Checker)
			if !ok {
				fmt.Fprintf(out, "zone %s: not tested: what changes it has no self-test\n", c.zones[i].Name)
				warned++
				continue
			}
			failures, warnings, err := checkZone(ctx, out, checker, c.zones[i].Name, c.timeout)
			switch {
			case err != nil:
				return err
			case failures > 0:
				bad++
			case warnings > 0:
				warned++
			}
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d zones cannot be updated", bad, len(seen))
	}
	if warned > 0 {
		fmt.Fprintf(out, "all zones can be updated, %d of %d with warnings\n", warned, len(seen))
	}
	return nil
}

// guestContext returns a context for guest modules where no server runs, with that
// storage or, if it is nil, Caddy's default. The modules end when it is cancelled.
func guestContext(storage json.RawMessage) (caddy.Context, context.CancelFunc, error) {
	whole, err := caddy.ProvisionContext(&caddy.Config{StorageRaw: storage})
	if err != nil {
		return caddy.Context{}, nil, err
	}
	ctx, cancel := caddy.NewContext(whole)
	return ctx, cancel, nil
}

// findHandlers returns the dyndns handlers of a configuration, wherever they
// stand: routes nest in each other and in other modules.
func findHandlers(config []byte) ([]*Handler, error) {
	decoder := json.NewDecoder(bytes.NewReader(config))
	decoder.UseNumber() // a duration as a float would not decode
	var tree any
	if err := decoder.Decode(&tree); err != nil {
		return nil, fmt.Errorf("decoding config: %w", err)
	}
	var (
		handlers []*Handler
		walk     func(node any) error
	)
	walk = func(node any) error {
		switch node := node.(type) {
		case []any:
			for _, child := range node {
				if err := walk(child); err != nil {
					return err
				}
			}
		case map[string]any:
			if node["handler"] == "dyndns" {
				delete(node, "handler")
				raw, err := json.Marshal(node)
				if err != nil {
					return fmt.Errorf("decoding dyndns handler: %w", err)
				}
				h := new(Handler)
				if err := caddy.StrictUnmarshalJSON(raw, h); err != nil {
					return fmt.Errorf("decoding dyndns handler: %w", err)
				}
				handlers = append(handlers, h)
				return nil
			}
			for _, child := range node {
				if err := walk(child); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return handlers, walk(tree)
}

// checkZone prints the steps of one zone's test and counts what was found wrong.
func checkZone(ctx context.Context, out io.Writer, checker zone.Checker, name string, timeout time.Duration) (failures, warnings int, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	fmt.Fprintf(out, "zone %s\n", name)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, step := range checker.Check(ctx) {
		verdict, detail := "ok", step.Detail
		if step.Err != nil && detail != "" {
			detail += ": "
		}
		switch {
		case step.Failed():
			verdict = "FAILED"
			detail += step.Err.Error()
			failures++
		case step.Err != nil:
			verdict = "WARNING"
			detail += step.Err.Error()
			warnings++
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\t%s\n",
			verdict, step.Name, step.Server, step.Took.Round(time.Microsecond*100), redact.EscapeControls(detail))
	}
	return failures, warnings, table.Flush()
}
