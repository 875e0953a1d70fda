package provider

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddytls"

	"github.com/caddy-dyndns/dyndns/internal/address"
	"github.com/caddy-dyndns/dyndns/internal/records"
)

// remote is another Caddy's dyndns handler.
type remote struct {
	endpoint string
	token    string
	client   *http.Client
}

// maxReply is far above the reply about as many records as one request may have.
const maxReply = 1 << 20

// newRemote returns the handler at a base URL. Unless pool is nil, its authorities alone are
// trusted.
func newRemote(base, token string, pool caddytls.CA) (*remote, error) {
	u, err := url.Parse(base)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("url: it is not a URL such as https://ddns.example.com")
	case u.Scheme != "https" && !(u.Scheme == "http" && address.IsLoopbackHost(u.Hostname())):
		return nil, errors.New("url: the token needs https")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if pool != nil {
		transport.TLSClientConfig = &tls.Config{RootCAs: pool.CertPool()}
	}
	return &remote{
		endpoint: u.JoinPath("records").String(),
		token:    token,
		client: &http.Client{
			Transport: transport,
			// A redirect would turn POST into GET, and lead the token elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

func (r *remote) list(ctx context.Context, names []string) ([]records.Result, error) {
	query := url.Values{"name": names}.Encode()
	if query != "" {
		query = "?" + query
	}
	return r.ask(ctx, http.MethodGet, query, nil)
}

func (r *remote) change(ctx context.Context, request records.Request) ([]records.Result, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	return r.ask(ctx, http.MethodPost, "", body)
}

// ask makes one request. An error of the connection, and a status by which the other Caddy
// says that it may be another time, are worth another try.
func (r *remote) ask(ctx context.Context, method, query string, body []byte) ([]records.Result, error) {
	request, err := http.NewRequestWithContext(ctx, method, r.endpoint+query, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+r.token)
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := r.client.Do(request)
	if err != nil {
		return nil, failure{error: err}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxReply))
	if err != nil {
		return nil, failure{error: fmt.Errorf("reading the reply: %w", err)}
	}
	var reply struct {
		Records []records.Result
		Error   *struct{ Word, Message string }
	}
	malformed := json.Unmarshal(text, &reply)
	switch status := response.StatusCode; {
	case status == http.StatusOK && malformed == nil && reply.Error == nil && reply.Records != nil:
		return reply.Records, nil
	case malformed != nil || reply.Error == nil:
		err = fmt.Errorf("%s answered with status %d and not as a dyndns handler does; is its host among the handler's domains?", r.endpoint, status)
	default:
		err = errors.New(reply.Error.Message)
	}
	switch response.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
		return nil, failure{error: err, after: time.Duration(max(seconds, 0)) * time.Second}
	}
	return nil, err
}
