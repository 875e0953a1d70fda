// Package directive reads the words of a Caddyfile block and loads the guest modules
// that they configure. Its errors quote nothing that may be a secret in the wrong place.
package directive

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-dyndns/dyndns/internal/redact"
)

// Block reads the block that the dispenser has come to, if there is one. word reads one of
// its words with the arguments. Each may stand there once but for the repeatable ones;
// where begins the error.
func Block(d *caddyfile.Dispenser, where string, word func(string) error, repeatable ...string) error {
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		w := d.Val()
		if seen[w] && !slices.Contains(repeatable, w) {
			return d.Errf("%s%s: stands here twice", where, redact.Word(w))
		}
		seen[w] = true
		if err := word(w); err != nil {
			return err
		}
	}
	return nil
}

// Unknown refuses the present word. It quotes only what looks like a word,
// because "secret=<secret>" and a token on a line of its own are likely mistakes.
func Unknown(d *caddyfile.Dispenser, where string) error {
	word := d.Val()
	if redact.Word(word) != word {
		return d.Errf("%sunrecognized subdirective", where)
	}
	return d.Errf("%sunrecognized subdirective %q", where, word)
}

// ArgErr says that a word has too few or too many arguments. Unlike the
// dispenser's own error it does not quote the last one, which may be a secret.
func ArgErr(d *caddyfile.Dispenser, word string) error {
	return d.Errf("%s: wrong number of arguments", word)
}

// Last refuses an argument beyond those read.
func Last(d *caddyfile.Dispenser, word string) error {
	if d.NextArg() {
		return ArgErr(d, word)
	}
	return nil
}

// One reads the only argument of a word.
func One(d *caddyfile.Dispenser, word string, value *string) error {
	if !d.AllArgs(value) || *value == "" {
		return ArgErr(d, word)
	}
	return nil
}

// Some reads one argument or more.
func Some(d *caddyfile.Dispenser, word string, values *[]string) error {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return ArgErr(d, word)
	}
	*values = append(*values, args...)
	return nil
}

// Seconds reads the next argument as a TTL.
func Seconds(d *caddyfile.Dispenser, seconds *uint32) error {
	if !d.NextArg() {
		return ArgErr(d, "ttl")
	}
	n, err := strconv.ParseUint(d.Val(), 10, 31)
	if err != nil {
		return d.Errf("ttl: %q is not a number of seconds from 0 to %d", redact.Word(d.Val()), math.MaxInt32)
	}
	*seconds = uint32(n)
	return nil
}

// Duration reads the only argument as a duration above zero.
func Duration(d *caddyfile.Dispenser, word string, duration *caddy.Duration) error {
	var text string
	if err := One(d, word, &text); err != nil {
		return err
	}
	value, err := caddy.ParseDuration(text)
	if err != nil || value <= 0 {
		return d.Errf("%s: %q is not a duration such as 10s", word, redact.Word(text))
	}
	*duration = caddy.Duration(value)
	return nil
}

// DurationOrOff reads the only argument as a duration above zero, or as off, which is -1.
func DurationOrOff(d *caddyfile.Dispenser, word string, duration *caddy.Duration) error {
	if d.CountRemainingArgs() == 1 && d.NextArg() {
		if d.Val() == "off" {
			*duration = -1
			return nil
		}
		d.Prev()
	}
	return Duration(d, word, duration)
}

// Guest reads the configuration of the guest module of that name, whose words the
// dispenser has come to. It returns the module's JSON, with its name under key.
func Guest(d *caddyfile.Dispenser, namespace, key, name string) (json.RawMessage, error) {
	guest, err := caddyfile.UnmarshalModule(d, namespace+name)
	if err != nil {
		return nil, err
	}
	return caddyconfig.JSONModuleObject(guest, key, name, nil), nil
}

// CountOrOff reads the next argument as a number above zero, or as off, which is -1.
func CountOrOff(d *caddyfile.Dispenser, word, what string) (int, error) {
	if !d.NextArg() {
		return 0, ArgErr(d, word)
	}
	if d.Val() == "off" {
		return -1, Last(d, word)
	}
	n, err := strconv.Atoi(d.Val())
	if err != nil || n < 1 {
		return 0, d.Errf("%s: %q is neither %s nor off", word, redact.Word(d.Val()), what)
	}
	return n, nil
}

// Count reads the next argument as a number above zero.
func Count(d *caddyfile.Dispenser, word string) (int, error) {
	if !d.NextArg() {
		return 0, ArgErr(d, word)
	}
	n, err := strconv.Atoi(d.Val())
	if err != nil || n < 1 {
		return 0, d.Errf("%s: %q is not a positive number", word, redact.Word(d.Val()))
	}
	return n, nil
}

// LoadGuest loads the guest module that a field of holder configures with raw, which has
// its name under key, and that has to be a T. Caddy's own error would quote the whole of a
// configuration that names none.
func LoadGuest[T any](ctx caddy.Context, namespace, key string, raw json.RawMessage, holder any, field string) (guest T, err error) {
	var config map[string]any
	err = json.Unmarshal(raw, &config)
	name, _ := config[key].(string)
	if err != nil || name == "" {
		return guest, errors.New(key + ": it is not the name of a module")
	}
	if _, err := caddy.GetModule(namespace + name); err != nil {
		return guest, fmt.Errorf("no module %s%s is compiled in", namespace, redact.Word(name))
	}
	loaded, err := ctx.LoadModule(holder, field)
	if err != nil {
		return guest, err
	}
	guest, ok := loaded.(T)
	if !ok {
		return guest, fmt.Errorf("the module %T is no %v", loaded, reflect.TypeFor[T]())
	}
	return guest, nil
}
