package dyndns

import (
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-dyndns/dyndns/internal/redact"
)

// unknownWord refuses the present word. It quotes only what looks like a word,
// because "secret=<secret>" and a token on a line of its own are likely mistakes.
func unknownWord(d *caddyfile.Dispenser, where string) error {
	word := d.Val()
	if redact.Word(word) != word {
		return d.Errf("%sunrecognized subdirective", where)
	}
	return d.Errf("%sunrecognized subdirective %q", where, word)
}

// argErr says that a word has too few or too many arguments. Unlike the
// dispenser's own error it does not quote the last one, which may be a secret.
func argErr(d *caddyfile.Dispenser, word string) error {
	return d.Errf("%s: wrong number of arguments", word)
}

// lastArg refuses an argument beyond those read.
func lastArg(d *caddyfile.Dispenser, word string) error {
	if d.NextArg() {
		return argErr(d, word)
	}
	return nil
}

func oneArg(d *caddyfile.Dispenser, word string, value *string) error {
	if !d.AllArgs(value) || *value == "" {
		return argErr(d, word)
	}
	return nil
}

func someArgs(d *caddyfile.Dispenser, word string, values *[]string) error {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return argErr(d, word)
	}
	*values = append(*values, args...)
	return nil
}

func secondsArg(d *caddyfile.Dispenser, seconds *uint32) error {
	if !d.NextArg() {
		return argErr(d, "ttl")
	}
	n, err := strconv.ParseUint(d.Val(), 10, 31)
	if err != nil {
		return d.Errf("ttl: %q is not a number of seconds from 0 to %d", redact.Word(d.Val()), maxTTL)
	}
	*seconds = uint32(n)
	return nil
}

func durationArg(d *caddyfile.Dispenser, word string, duration *caddy.Duration) error {
	var text string
	if err := oneArg(d, word, &text); err != nil {
		return err
	}
	value, err := caddy.ParseDuration(text)
	if err != nil || value <= 0 {
		return d.Errf("%s: %q is not a duration such as 10s", word, redact.Word(text))
	}
	*duration = caddy.Duration(value)
	return nil
}
