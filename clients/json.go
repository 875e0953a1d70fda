package clients

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// DecodeStrict reads one JSON value of at most [MaxRecord] bytes with nothing behind it, no
// unknown member and none that is there twice: of those the last would count.
func DecodeStrict(data []byte, into any) error {
	if len(data) > MaxRecord {
		return fmt.Errorf("it is longer than %d bytes", MaxRecord)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errors.New("something follows the record")
	}
	return checkMembers(json.NewDecoder(bytes.NewReader(data)))
}

// checkMembers refuses a value in which an object has a member twice, in any case.
func checkMembers(decoder *json.Decoder) error {
	start, err := decoder.Token()
	if err != nil || start != json.Delim('{') && start != json.Delim('[') {
		return err
	}
	seen := map[string]bool{}
	for decoder.More() {
		if start == json.Delim('{') {
			key, err := decoder.Token()
			if err != nil {
				return err
			}
			// As encoding/json folds names: ſ is an S to it, and the Kelvin sign a k.
			name := strings.ToLower(strings.ToUpper(key.(string))) // the decoder takes no other key
			if seen[name] {
				return errors.New("a member is there twice")
			}
			seen[name] = true
		}
		if err := checkMembers(decoder); err != nil {
			return err
		}
	}
	_, err = decoder.Token()
	return err
}
