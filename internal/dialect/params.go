package dialect

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/caddy-dyndns/dyndns/internal/service"
)

const (
	// maxBody is far above what any router sends.
	maxBody = 64 << 10
	// maxParams bounds the memory that an unknown sender can take.
	maxParams = 200
)

// param is one decoded name=value pair.
type param struct{ name, value string }

// folded returns the name of an argument in lower case, empty if it is longer
// than any that is known: the rest of one may be a list of hosts.
func folded(name string) string {
	if len(name) > len("ip6lanprefix") {
		return ""
	}
	return strings.ToLower(name)
}

// request is what the dialects share: the arguments of one HTTP request, those
// of the query before those of the body, and what it presents as credentials.
// It must not be copied after init.
type request struct {
	http       *http.Request
	params     []param
	overflow   bool
	credential service.Credential
	// The arrays spare an allocation each in the usual request.
	paramArray  [8]param
	secretArray [2]string
}

func (q *request) init(r *http.Request) {
	q.http = r
	q.params = q.paramArray[:0]
	q.credential.Secrets = q.secretArray[:0]
	q.parse(r.URL.RawQuery)
}

func (q *request) Methods() []string { return methods }

// Parse reads a form body. An empty one may have any type: OPNsense posts with
// all arguments in the URL.
func (q *request) Parse() *service.Error {
	if q.http.Method != http.MethodPost || q.http.Body == nil {
		return nil
	}
	// An error still comes with the media type if only its parameters are bad.
	mediaType, _, _ := mime.ParseMediaType(q.http.Header.Get("Content-Type"))
	form := mediaType == "application/x-www-form-urlencoded"
	limit := int64(1)
	if form {
		limit = maxBody + 1
	}
	body, err := io.ReadAll(io.LimitReader(q.http.Body, limit))
	switch {
	case err != nil:
		e := badParameter("the body of the request did not arrive whole")
		e.Cause = fmt.Errorf("reading the body: %w", err)
		return e
	case len(body) > 0 && !form:
		return &service.Error{Reason: service.BadMediaType, Message: "a body has to be application/x-www-form-urlencoded"}
	case len(body) > maxBody:
		return badParameter("the body is larger than 64 KiB")
	}
	q.parse(string(body))
	return nil
}

// parse appends the pairs of a query or a form body, in their order. Unlike
// url.ParseQuery it fails on nothing: the FRITZ!Box escapes nothing that it
// fills into a URL, so a stray percent sign stands for itself.
func (q *request) parse(raw string) {
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		if len(q.params) == maxParams {
			q.overflow = true
			return
		}
		name, value, _ := strings.Cut(pair, "=")
		q.params = append(q.params, param{unescape(name, true), unescape(value, true)})
	}
}

// checkCount refuses a request of which some arguments were not read.
func (q *request) checkCount() *service.Error {
	if q.overflow {
		return badParameter(fmt.Sprintf("there are more than %d arguments", maxParams))
	}
	return nil
}

func badParameter(message string) *service.Error {
	return &service.Error{Reason: service.BadParameter, Message: message}
}

// lookup returns the first value of an argument.
func (q *request) lookup(name string) (string, bool) {
	for i := range q.params {
		if q.params[i].name == name {
			return q.params[i].value, true
		}
	}
	return "", false
}

// unescape decodes percent-encoding, and a plus sign as a space in a form.
func unescape(s string, form bool) string {
	if strings.IndexByte(s, '%') < 0 && !(form && strings.IndexByte(s, '+') >= 0) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' && i+2 < len(s) {
			if high, low := unhex(s[i+1]), unhex(s[i+2]); high >= 0 && low >= 0 {
				c = byte(high<<4 | low)
				i += 2
			}
		} else if c == '+' && form {
			c = ' '
		}
		b = append(b, c)
	}
	return string(b)
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
