package dialect

import (
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"slices"
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

// Input is one HTTP request as all dialects read it: its path, and its arguments,
// those of the query before those of the body. It must not be copied.
type Input struct {
	http    *http.Request
	options Options
	// from is the address that it came from, unmapped and without zone; invalid if
	// that is unknown (a unix socket).
	from netip.Addr
	// path is the decoded path without slashes at its ends.
	path     string
	params   []param
	overflow bool
	body     []byte // if it is JSON
	// secretArray spares an allocation in the usual request.
	secretArray [2]string
}

// NewInput reads path and query of a request that came from that address.
func NewInput(r *http.Request, from netip.Addr, o Options) *Input {
	in := &Input{http: r, options: o, from: from}
	// UniFi asks for "//nic/update" and "/\/nic/update".
	in.path = strings.Trim(strings.TrimLeft(r.URL.Path, `/\`), "/")
	in.parse(r.URL.RawQuery)
	return in
}

// ReadBody reads the body. An empty one may have any type: OPNsense posts with
// all arguments in the URL.
func (in *Input) ReadBody(d Dialect) *service.Error {
	if in.http.Method != http.MethodPost || in.http.Body == nil {
		return nil
	}
	// An error still comes with the media type if only its parameters are bad.
	mediaType, _, _ := mime.ParseMediaType(in.http.Header.Get("Content-Type"))
	untyped := mediaType == "" && in.http.Header.Get("Content-Type") == ""
	known := d.Info().JSON || untyped || mediaType == "application/x-www-form-urlencoded"
	limit := int64(1)
	if known {
		limit = maxBody + 1
	}
	body, err := io.ReadAll(io.LimitReader(in.http.Body, limit))
	switch {
	case err != nil:
		e := badParameter("the body of the request did not arrive whole")
		e.Cause = fmt.Errorf("reading the body: %w", err)
		return e
	case len(body) > 0 && !known:
		return &service.Error{Reason: service.BadMediaType, Message: "a body has to be application/x-www-form-urlencoded"}
	case len(body) > maxBody:
		return badParameter("the body is larger than 64 KiB")
	case d.Info().JSON:
		in.body = body
	default:
		in.parse(string(body))
	}
	return nil
}

// parse appends the pairs of a query or a form body, in their order. Unlike
// url.ParseQuery it fails on nothing: the FRITZ!Box escapes nothing that it
// fills into a URL, so a stray percent sign stands for itself.
func (in *Input) parse(raw string) {
	if raw != "" {
		in.params = slices.Grow(in.params, min(strings.Count(raw, "&")+1, maxParams))
	}
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		if len(in.params) == maxParams {
			in.overflow = true
			return
		}
		name, text, _ := strings.Cut(pair, "=")
		value := unescape(text, true)
		if len(value) > 1 && value[0] == '<' && value[len(value)-1] == '>' {
			value = "" // a placeholder of the FRITZ!Box that the router did not fill in
		}
		in.params = append(in.params, param{unescape(name, true), value})
	}
}

// checkCount refuses a request of which some arguments were not read.
func (in *Input) checkCount() *service.Error {
	if in.overflow {
		return badParameter(fmt.Sprintf("there are more than %d arguments", maxParams))
	}
	return nil
}

func badParameter(message string) *service.Error {
	return &service.Error{Reason: service.BadParameter, Message: message}
}

// lookup returns the first value of an argument.
func (in *Input) lookup(name string) (string, bool) {
	for i := range in.params {
		if in.params[i].name == name {
			return in.params[i].value, true
		}
	}
	return "", false
}

// names tells whether one of the arguments is there, whatever the case of its name.
func (in *Input) names(arguments ...string) bool {
	return slices.ContainsFunc(in.params, func(p param) bool { return slices.Contains(arguments, folded(p.name)) })
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
