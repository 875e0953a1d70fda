package dyndns

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/caddy-dyndns/dyndns/internal/backend"
	"github.com/caddy-dyndns/dyndns/internal/seed"
	"github.com/caddy-dyndns/dyndns/test/caddytest"
	"github.com/caddy-dyndns/dyndns/test/markdown"
)

// Every Caddyfile that the documentation and the examples show is one that Caddy
// takes as it stands, formatting included.
func TestDocumentedCaddyfiles(t *testing.T) {
	documented := make(map[string]string)
	for file, text := range markdown.Pages(t, ".") {
		for _, block := range markdown.Blocks(file, text) {
			if block.Language == "caddyfile" {
				documented[fmt.Sprintf("%s:%d", file, block.Line)] = block.Text
			}
		}
	}
	documented["docs/options.md, all on"] = commentedOption.ReplaceAllString(everyOption(t), "$1$2")
	err := filepath.WalkDir("example", func(path string, entry os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(strings.ToLower(entry.Name()), "caddyfile") {
			return err
		}
		documented[path] = fillExample(t, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for place, text := range documented {
		t.Run(place, func(t *testing.T) { validateCaddyfile(t, text) })
	}
}

// fillExample fills in the ports, paths and secrets of an example that is a template.
func fillExample(t *testing.T, path string) string {
	t.Helper()
	caddyfile, err := template.ParseFiles(path)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	err = caddyfile.Execute(&b, map[string]any{
		"Storage": "storage", "HTTP": 8080, "HTTPS": 8443, "Secret": caddytest.CanarySecret,
		"Sockets": "127.0.0.1:5353", "Zone": "dyn.example.com",
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var (
	variable = regexp.MustCompile(`\{(?:env\.|\$)(\w+)\}`)
	// These are files of the operator's machine.
	keyFile   = regexp.MustCompile(`(?:/etc/caddy/|\{env\.CREDENTIALS_DIRECTORY\}/tsig_)(\S+)\.key`)
	tokenFile = regexp.MustCompile(`/etc/caddy/tokens/([\w-]+)`)
	logFile   = regexp.MustCompile(`/var/log/\S+`)
)

// validateCaddyfile adapts and provisions a Caddyfile on a machine that has all
// that it names.
func validateCaddyfile(t *testing.T, text string) {
	if strings.Contains(text, "trusted_proxies ") && !strings.Contains(text, "trusted_proxies_strict") {
		t.Error("a client could write its own address")
	}
	dir := t.TempDir()
	// Caddy notes its instance there, whatever storage is configured.
	t.Setenv("XDG_DATA_HOME", dir)
	t.Setenv(seed.Variable, filepath.Join("example", "dyndns.yml"))
	text = strings.ReplaceAll(text, "/etc/dyndns.yml", filepath.Join("example", "dyndns.yml"))
	text = logFile.ReplaceAllString(text, filepath.Join(dir, "log"))
	text = keyFile.ReplaceAllStringFunc(text, func(path string) string {
		name := keyFile.FindStringSubmatch(path)[1]
		file := filepath.Join(dir, name+".key")
		key := fmt.Sprintf("key %q {\n\talgorithm hmac-sha512;\n\tsecret %q;\n};\n", name, caddytest.CanaryKey)
		if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	})
	text = tokenFile.ReplaceAllStringFunc(text, func(path string) string {
		return write(t, filepath.Base(path), "token-for-"+filepath.Base(path))
	})
	for _, match := range variable.FindAllStringSubmatch(text, -1) {
		t.Setenv(match[1], valueFor(t, match[1]))
	}

	adapted, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range warnings {
		t.Errorf("warning: %s", w)
	}
	var config caddy.Config
	if err := caddy.StrictUnmarshalJSON(adapted, &config); err != nil {
		t.Fatal(err)
	}
	if config.StorageRaw, err = json.Marshal(map[string]string{"module": "file_system", "root": dir}); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(&config); err != nil {
		t.Error(err)
	}
}

// valueFor makes a value that suits a variable's name.
func valueFor(t *testing.T, name string) string {
	t.Helper()
	digest := sha256.Sum256([]byte(name))
	for suffix, value := range map[string]string{
		"_SECRET": "Secret" + strings.ReplaceAll(name, "_", ""),
		"_TOKEN":  "token-for-" + name,
		"_DIGEST": fmt.Sprintf("%x", digest),
		"_TSIG":   base64.StdEncoding.EncodeToString(digest[:]),
	} {
		if strings.HasSuffix(name, suffix) {
			return value
		}
	}
	t.Fatalf("what is the variable %s?", name)
	return ""
}

// commentedOption is an option of the page about options that is not on as it stands there.
var commentedOption = regexp.MustCompile(`(?m)^(\s*)# (config|public_only|private_clients|no_certificates|expire)\b`)

// everyOption is the Caddyfile of the page about options.
func everyOption(t *testing.T) string {
	t.Helper()
	return markdown.Code(t, ".", "docs/options.md", "caddyfile")[0]
}

// The Caddyfile with every option sets every field that a configuration has.
func TestEveryOptionIsDocumented(t *testing.T) {
	_, text, _ := strings.Cut(commentedOption.ReplaceAllString(everyOption(t), "$1$2"), "example.com {\n")
	h, err := unmarshal(text)
	if err != nil {
		t.Fatal(err)
	}
	set := map[string]bool{}
	fields(reflect.ValueOf(*h), "", set)
	for _, z := range h.Zones {
		var b backend.RFC2136
		if err := json.Unmarshal(z.BackendRaw, &b); err != nil {
			t.Fatal(err)
		}
		fields(reflect.ValueOf(b), "zones.backend.", set)
	}
	for field, isSet := range set {
		if !isSet {
			t.Errorf("the page has no option that sets %s", field)
		}
	}
}

// fields tells of every field of a configuration whether it is set, by its names in JSON.
func fields(v reflect.Value, path string, set map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		fields(v.Elem(), path, set)
	case reflect.Slice:
		for i := range v.Len() {
			fields(v.Index(i), path, set)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			if name == "" {
				continue
			}
			set[path+name] = set[path+name] || !v.Field(i).IsZero()
			fields(v.Field(i), path+name+".", set)
		}
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)
)

// Links within the repository lead somewhere.
func TestLinks(t *testing.T) {
	for page, text := range markdown.Pages(t, ".") {
		for _, match := range link.FindAllStringSubmatch(markdown.WithoutCode(text), -1) {
			target, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			path := filepath.Join(filepath.Dir(page), target)
			if target == "" {
				path = page
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s: %v", page, err)
				continue
			}
			if anchor == "" {
				continue
			}
			destination, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(anchors(string(destination)), anchor) {
				t.Errorf("%s: %s has no heading #%s", page, path, anchor)
			}
		}
	}
}

var notInAnchor = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)

// anchors are the names that GitHub gives to a page's headings.
func anchors(page string) []string {
	var names []string
	for _, match := range heading.FindAllStringSubmatch(page, -1) {
		name := notInAnchor.ReplaceAllString(strings.ToLower(match[1]), "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	return names
}

// Caddy's website shows the fields of a module with their godoc.
func TestEveryFieldHasGodoc(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	fields := 0
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || !spec.Name.IsExported() {
				return true
			}
			structure, ok := spec.Type.(*ast.StructType)
			if !ok {
				return false
			}
			for _, field := range structure.Fields.List {
				if field.Tag == nil || !strings.Contains(field.Tag.Value, `json:"`) {
					continue
				}
				fields++
				if !strings.HasSuffix(strings.TrimSpace(field.Doc.Text()), ".") {
					t.Errorf("%s: a field of %s has no godoc that ends in a full stop", set.Position(field.Pos()), spec.Name.Name)
				}
			}
			return false
		})
	}
	if fields == 0 {
		t.Error("found no field")
	}
}
