// Package seed reads the YAML configuration of the Flask application dyndns.
package seed

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/caddy-dyndns/dyndns/internal/placeholder"
	"github.com/caddy-dyndns/dyndns/internal/redact"
)

// File is what a YAML configuration says.
type File struct {
	Secret      string
	Nameservers []string
	Domain      string
	Zones       []Zone
}

// Zone is one of its zones.
type Zone struct {
	Name string
	// TSIGKey is the secret in base64 of a key that is named like the zone.
	TSIGKey string
}

// Variable names the environment variable that goes before the search;
// its spelling is the Flask application's.
const Variable = "dyndns_CONFIG_FILE"

// Find returns the path that `config` names, or the first existing file of
// the search.
func Find(config string) (string, error) {
	if config != "search" {
		return placeholder.Expand("config", config)
	}
	paths := []string{"./.dyndns.yml", "/etc/dyndns.yml"}
	if custom := os.Getenv(Variable); custom != "" {
		paths = append([]string{custom}, paths...)
	}
	for _, path := range paths {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("config: %w", placeholder.FileError(path, err))
		}
	}
	custom := redact.Path(os.Getenv(Variable))
	if custom != "" {
		paths[0] = custom
	}
	return "", fmt.Errorf("config: no configuration file found, looked for %s ($%s is %q)", strings.Join(paths, ", "), Variable, custom)
}

// Read reads a YAML configuration. Its warnings name file, line and key.
func Read(path string) (*File, []string, error) {
	data, err := placeholder.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	return parse(path, data)
}

// yamlAnchor is the one thing that the YAML package quotes of a file: a secret
// that starts with an asterisk.
var yamlAnchor = regexp.MustCompile(`anchor '[^']*'`)

func parse(path string, data []byte) (*File, []string, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		message := yamlAnchor.ReplaceAllLiteralString(strings.TrimPrefix(err.Error(), "yaml: "), "anchor")
		return nil, nil, fmt.Errorf("%s: %s", path, message)
	}
	p := &parser{path: path}
	if len(doc.Content) == 0 {
		return nil, nil, fmt.Errorf("%s: the file is empty", path)
	}
	var port string
	err := p.mapping(doc.Content[0], "the file", func(node, value *yaml.Node) (err error) {
		switch key := node.Value; key {
		case "secret":
			p.file.Secret, err = p.scalar(key, value)
		case "nameserver":
			var server string
			server, err = p.scalar(key, value)
			p.file.Nameservers = []string{server}
		case "port":
			port, err = p.scalar(key, value)
		case "dyndns_domain":
			p.file.Domain, err = p.scalar(key, value)
		case "zones":
			err = p.zones(value)
		default:
			p.unused("", node)
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	if port != "" && len(p.file.Nameservers) > 0 {
		p.file.Nameservers[0] = net.JoinHostPort(p.file.Nameservers[0], port)
	}
	return &p.file, p.warnings, nil
}

// parser walks the YAML nodes itself: decoding into a struct would lose the
// line of an unknown key and read `secret: 012345678` as a number.
type parser struct {
	path     string
	file     File
	warnings []string
}

// at prefixes a message with file, line and key. It quotes no value: any may be a secret.
func (p *parser) at(node *yaml.Node, key, message string) error {
	return fmt.Errorf("%s:%d: %s: %s", p.path, node.Line, key, message)
}

// unused warns about a key that has no effect here, log_level among them.
func (p *parser) unused(prefix string, node *yaml.Node) {
	p.warnings = append(p.warnings, fmt.Sprintf("%s:%d: %s%s", p.path, node.Line, prefix, redact.Word(node.Value)))
}

// mapping calls visit with every key of a mapping, each of which may stand once.
func (p *parser) mapping(node *yaml.Node, what string, visit func(key, value *yaml.Node) error) error {
	if node.Kind != yaml.MappingNode {
		return p.at(node, what, "keys with values are expected")
	}
	seen := make(map[string]bool)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		if seen[key.Value] {
			return p.at(key, redact.Word(key.Value), "the key stands here twice")
		}
		seen[key.Value] = true
		if err := visit(key, node.Content[i+1]); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) scalar(key string, node *yaml.Node) (string, error) {
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
		return "", p.at(node, key, "one value is expected")
	}
	return node.Value, nil
}

func (p *parser) zones(list *yaml.Node) error {
	if list.Kind != yaml.SequenceNode {
		return p.at(list, "zones", "a list is expected")
	}
	for _, item := range list.Content {
		var zone Zone
		err := p.mapping(item, "zones", func(node, value *yaml.Node) (err error) {
			switch key := node.Value; key {
			case "name":
				zone.Name, err = p.scalar(key, value)
			case "tsig_key":
				zone.TSIGKey, err = p.scalar(key, value)
			default:
				p.unused("zones.", node)
			}
			return err
		})
		switch {
		case err != nil:
			return err
		case zone.Name == "":
			return p.at(item, "zones", "a zone has no name")
		case zone.TSIGKey == "":
			return p.at(item, "zones", "a zone has no tsig_key")
		}
		p.file.Zones = append(p.file.Zones, zone)
	}
	return nil
}
