package dnsupdate

import (
	"errors"
	"fmt"
	"strings"
)

// ParseKeyFile reads the key clauses of BIND's configuration language, as
// tsig-keygen writes them: any number of them, with comments of the three
// styles. Errors name the line and quote nothing of the file.
func ParseKeyFile(data []byte) ([]Key, error) {
	s := keyScanner{text: string(data), line: 1}
	var keys []Key
	for {
		token, err := s.next()
		if err != nil {
			return nil, err
		}
		switch token {
		case "":
			if len(keys) == 0 {
				return nil, errors.New("there is no key in the file")
			}
			return keys, nil
		case "key":
			line := s.line
			key, err := s.key()
			if err != nil {
				return nil, err
			}
			for _, k := range keys {
				if k.Name == key.Name {
					return nil, fmt.Errorf("line %d: a key of this name is there already", line)
				}
			}
			keys = append(keys, key)
		default:
			return nil, s.errorf(`expected "key"`)
		}
	}
}

// keyScanner cuts a key file into tokens.
type keyScanner struct {
	text string
	line int
	// quoted tells whether the last token stood in quotes.
	quoted bool
}

func (s *keyScanner) errorf(format string, args ...any) error {
	return fmt.Errorf("line %d: "+format, append([]any{s.line}, args...)...)
}

// key reads a clause from behind the word "key" to its final semicolon.
func (s *keyScanner) key() (Key, error) {
	name, err := s.word("the key's name")
	if err != nil {
		return Key{}, err
	}
	if err := s.expect("{"); err != nil {
		return Key{}, err
	}
	line := s.line
	var algorithm, secret string
	for {
		word, err := s.next()
		if err != nil {
			return Key{}, err
		}
		var value *string
		switch {
		case s.quoted:
			return Key{}, s.errorf("expected a statement of a key")
		case word == "}":
			if err := s.expect(";"); err != nil {
				return Key{}, err
			}
			if algorithm == "" || secret == "" {
				return Key{}, fmt.Errorf("line %d: the key needs an algorithm and a secret", line)
			}
			key, err := NewKey(name, algorithm, secret)
			if err != nil {
				return Key{}, fmt.Errorf("line %d: %w", line, err)
			}
			return key, nil
		case word == "algorithm":
			value = &algorithm
		case word == "secret":
			value = &secret
		default:
			return Key{}, s.errorf(`expected "algorithm", "secret" or "}"`)
		}
		if *value != "" {
			return Key{}, s.errorf("%s is there twice", word)
		}
		if *value, err = s.word("a value for " + word); err != nil {
			return Key{}, err
		}
		if err := s.expect(";"); err != nil {
			return Key{}, err
		}
	}
}

// word reads a plain or quoted string that is not empty.
func (s *keyScanner) word(what string) (string, error) {
	token, err := s.next()
	if err != nil {
		return "", err
	}
	if token == "" || !s.quoted && strings.Contains("{};", token) {
		return "", s.errorf("expected %s", what)
	}
	return token, nil
}

func (s *keyScanner) expect(punctuation string) error {
	token, err := s.next()
	if err != nil {
		return err
	}
	if token != punctuation || s.quoted {
		return s.errorf("expected %q", punctuation)
	}
	return nil
}

// next reads a token: a word, a quoted string without its quotes, or one of
// "{", "}" and ";". The end of the file is an empty token without quotes.
func (s *keyScanner) next() (string, error) {
	if err := s.skipSpace(); err != nil {
		return "", err
	}
	s.quoted = false
	if s.text == "" {
		return "", nil
	}
	switch s.text[0] {
	case '{', '}', ';':
		return s.cut(1), nil
	case '"':
		s.text = s.text[1:]
		s.quoted = true
		end := strings.IndexAny(s.text, "\"\n")
		if end < 0 || s.text[end] == '\n' {
			return "", s.errorf("a quote is not closed")
		}
		token := s.cut(end)
		s.text = s.text[1:]
		return token, nil
	}
	end := strings.IndexAny(s.text, " \t\r\n{};\"")
	if end < 0 {
		end = len(s.text)
	}
	return s.cut(end), nil
}

func (s *keyScanner) cut(n int) string {
	token := s.text[:n]
	s.text = s.text[n:]
	return token
}

// skipSpace skips white space and comments of the shell's, C's and C++'s style.
func (s *keyScanner) skipSpace() error {
	for s.text != "" {
		switch {
		case s.text[0] == '\n':
			s.line++
			s.cut(1)
		case strings.IndexByte(" \t\r", s.text[0]) >= 0:
			s.cut(1)
		case s.text[0] == '#', strings.HasPrefix(s.text, "//"):
			end := strings.IndexByte(s.text, '\n')
			if end < 0 {
				end = len(s.text)
			}
			s.cut(end)
		case strings.HasPrefix(s.text, "/*"):
			end := strings.Index(s.text, "*/")
			if end < 0 {
				return s.errorf("a comment is not closed")
			}
			s.line += strings.Count(s.cut(end+2), "\n")
		default:
			return nil
		}
	}
	return nil
}
