package clients

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"
)

// Token is one token of a record. In JSON it is an object; the text of the digest alone is
// read too.
type Token struct {
	Digest Digest
	// Created is zero if it is not known.
	Created time.Time
	// Expires is when it becomes invalid, zero if never.
	Expires time.Time
}

// jsonToken is a token as an object. The id follows from the digest: what a record says
// of it does not count.
type jsonToken struct {
	ID      string    `json:"id,omitempty"`
	Digest  Digest    `json:"digest"`
	Created time.Time `json:"created,omitzero"`
	Expires time.Time `json:"expires,omitzero"`
}

// ID names the token among those of its client: the first 12 hexadecimal digits of its
// digest, of which nobody can guess the token.
func (t Token) ID() string { return hex.EncodeToString(t.Digest[:6]) }

// MarshalJSON returns the object.
func (t Token) MarshalJSON() ([]byte, error) {
	return json.Marshal(jsonToken{t.ID(), t.Digest, t.Created, t.Expires})
}

// UnmarshalJSON reads both forms.
func (t *Token) UnmarshalJSON(data []byte) error {
	var object jsonToken
	var err error
	if len(data) > 0 && data[0] == '"' {
		err = json.Unmarshal(data, &object.Digest)
	} else {
		err = DecodeStrict(data, &object)
	}
	if err != nil {
		return err
	}
	if object.Digest == (Digest{}) {
		return errors.New("a token has no digest")
	}
	*t = Token{object.Digest, object.Created, object.Expires}
	return nil
}
