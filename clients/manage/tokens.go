package manage

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/caddy-dyndns/dyndns/clients"
	"github.com/caddy-dyndns/dyndns/clients/storage"
)

// TokenRequest is what a new token is to be.
type TokenRequest struct {
	// Owner: it is the person's, which sees the pages and changes no name.
	Owner bool `json:"owner,omitempty"`
	// ExpiresIn is a duration, empty for never.
	ExpiresIn string `json:"expires_in,omitempty"`
	// OthersExpireIn is when the client's other tokens of the same kind become invalid, "0s"
	// for at once; empty for not at all.
	OthersExpireIn string `json:"others_expire_in,omitempty"`
}

// NewToken is a token that was made.
type NewToken struct {
	ID string `json:"id"`
	// Token is shown this once.
	Token   string    `json:"token"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"`
}

func (e *endpoint) addToken(ctx context.Context, path []string) error {
	condition, err := e.condition()
	if err != nil {
		return err
	}
	body, err := e.body()
	if err != nil {
		return err
	}
	var request TokenRequest
	if len(body) > 0 {
		if err := clients.DecodeStrict(body, &request); err != nil {
			return failure(http.StatusBadRequest, err)
		}
	}
	wanted := storage.NewToken{Owner: request.Owner}
	now := time.Now().UTC().Truncate(time.Second)
	if request.ExpiresIn != "" {
		d, err := clients.ParseDuration(request.ExpiresIn)
		if err != nil {
			return failure(http.StatusBadRequest, fmt.Errorf("expires_in: %w", err))
		}
		wanted.Expires = now.Add(d)
	}
	if text := request.OthersExpireIn; text != "" {
		wanted.OthersExpire = now
		if d, err := time.ParseDuration(text); err != nil || d != 0 {
			d, err := clients.ParseDuration(text)
			if err != nil {
				return failure(http.StatusBadRequest, fmt.Errorf("others_expire_in: %w", err))
			}
			wanted.OthersExpire = now.Add(d)
		}
	}
	token, added, tag, err := e.store.AddToken(ctx, path[0], condition, wanted)
	if err != nil {
		return err
	}
	e.changed(path[0], "token_added")
	return e.reply(http.StatusCreated, tag, NewToken{added.ID(), token, added.Created, added.Expires})
}

func (e *endpoint) removeToken(ctx context.Context, path []string) error {
	condition, err := e.condition()
	if err != nil {
		return err
	}
	tag, err := e.store.RemoveToken(ctx, path[0], path[2], condition)
	if err != nil {
		return err
	}
	e.changed(path[0], "token_removed")
	return e.reply(http.StatusNoContent, tag, nil)
}
