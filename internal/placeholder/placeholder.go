// Package placeholder replaces the placeholders of a configuration and reads its
// files, and never quotes in an error what may be a secret.
package placeholder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-dyndns/dyndns/internal/redact"
)

// Expand replaces the placeholders of a value. Its error quotes none that may be
// a secret.
func Expand(directive, value string) (string, error) {
	expanded, err := caddy.NewReplacer().ReplaceOrErr(value, true, true)
	if err == nil {
		return expanded, nil
	}
	shown := redact.Placeholder(anyPlaceholder.FindString(err.Error()))
	if shown == "" {
		return "", fmt.Errorf("%s: the value holds a placeholder that cannot be replaced", directive)
	}
	return "", fmt.Errorf("%s: evaluated placeholder %s is empty", directive, shown)
}

var anyPlaceholder = regexp.MustCompile(`\{[^{}]*\}`)

// Whole tells whether a value is nothing but one placeholder, so that its text is the
// way to a secret and not the secret.
func Whole(value string) bool { return wholePlaceholder.MatchString(value) }

var wholePlaceholder = regexp.MustCompile(`^\{(env|file)\.[^{}]+\}$`)

// ExpandSecret is Expand for a value of which no part must stand in an error.
func ExpandSecret(directive, value string) (string, error) {
	expanded, err := Expand(directive, value)
	if err != nil && !Whole(value) {
		return "", fmt.Errorf("%s: the value holds a placeholder that cannot be replaced", directive)
	}
	return expanded, err
}

// ReadFile is [os.ReadFile] whose error does not quote a path that may be the
// file's content.
func ReadFile(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	return data, FileError(path, err)
}

// FileError returns the error of a file operation without a path that may be a secret.
func FileError(path string, err error) error {
	var failed *fs.PathError
	if errors.As(err, &failed) {
		return fmt.Errorf("%s: %w", redact.Path(path), failed.Err)
	}
	return err
}
