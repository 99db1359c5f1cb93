package edge

import (
	"io"
	"net/netip"
	"net/url"
	"strings"
)

// HeaderField is one line of a head.
type HeaderField struct {
	Name, Value string
}

// Request is one request, copied out of the server's reused memory: it may be
// kept and read by any goroutine for as long as anyone likes. Only Stream ends
// with the exchange.
type Request struct {
	Method      string
	Path        string // canonical, without the key; what was routed and authorised
	Query       url.Values
	Host        string     // as the client sent it, with the port if it did
	RemoteIP    netip.Addr // the peer's address; headers of proxies are not believed
	TLS         bool
	Caller      Caller
	ContentType string
	// ContentLength is the length of the body in bytes as it was announced: -1
	// when it comes in chunks, 0 when there is none.
	ContentLength int64
	// Body is the whole body, on routes that are not streaming.
	Body []byte
	// Stream is the body of a streaming route, never nil there. Read by one
	// goroutine; it returns io.EOF only when the body arrived as a whole, and an
	// error that may be returned to the client as it is otherwise.
	Stream io.Reader

	header []HeaderField
	params []HeaderField
}

// Header returns the value of the first header field of this name, in any
// case, or "" without one. Fields that carry secrets (Authorization, X-Api-Key,
// Cookie, Sec-WebSocket-Protocol, Referer) are not kept: Caller is what they proved.
func (r *Request) Header(name string) string {
	for i := range r.header {
		if strings.EqualFold(r.header[i].Name, name) {
			return r.header[i].Value
		}
	}
	return ""
}

// Param returns the part of the path that stands where the route's pattern has
// {name}, percent-decoded, or "" when the pattern has no such name.
func (r *Request) Param(name string) string {
	for i := range r.params {
		if r.params[i].Name == name {
			return r.params[i].Value
		}
	}
	return ""
}

// Break makes a Read of Stream that is under way, and those to come, fail with err. The
// connection ends with the answer. Any goroutine may call it; once the handler has
// returned it does nothing.
func (r *Request) Break(err error) {
	if b, ok := r.Stream.(*body); ok {
		b.breakOff(err)
	}
}

// isSecretHeader says which fields never reach a handler, and so no log.
func isSecretHeader(name string) bool {
	switch len(name) {
	case len("Cookie"):
		return strings.EqualFold(name, "Cookie")
	case len("Referer"):
		return strings.EqualFold(name, "Referer")
	case len("X-Api-Key"):
		return strings.EqualFold(name, "X-Api-Key")
	case len("Authorization"):
		return strings.EqualFold(name, "Authorization")
	case len("Proxy-Authorization"):
		return strings.EqualFold(name, "Proxy-Authorization")
	case len("Sec-WebSocket-Protocol"):
		return strings.EqualFold(name, "Sec-WebSocket-Protocol")
	}
	return false
}
