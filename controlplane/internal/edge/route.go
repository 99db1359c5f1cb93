package edge

import (
	"context"
	"fmt"
	"strings"

	"github.com/fasthttp/websocket"
)

// Handler answers one request. The context ends when the client leaves (at once
// on a route with Watch, else when a write fails), when the answer has been
// written or failed, when the caller's key is revoked during a streamed or
// watched answer, and at shutdown once the grace is over. An error is written
// in the route's dialect with the status of its kind.
type Handler func(ctx context.Context, r *Request) (*Response, error)

// SocketHandler lives as long as a WebSocket: it is the one that calls
// [Socket.Receive], and its return ends the socket.
type SocketHandler func(ctx context.Context, r *Request, s *Socket) error

// UpgradeHandler gets a WebSocket to itself, for protocols that have reader and
// writer of their own. When its context ends, the edge sends a close frame and
// soon closes the connection. It must have ended everything that uses the
// connection when it returns.
type UpgradeHandler func(ctx context.Context, r *Request, c *websocket.Conn) error

// Limits where a route says nothing.
const (
	DefaultMaxBodyBytes    int64 = 1 << 20
	DefaultMaxMessageBytes int64 = 1 << 20
)

// Route is one entry of the table: what it answers to, who may, and how.
type Route struct {
	// Method is the HTTP method; empty means GET on a route for WebSockets.
	Method string
	// Path is a pattern: "/api/models/{id}" matches one segment for {id},
	// "/assets/{path...}" the rest of the path, which may be empty.
	Path       string
	Permission Permission
	Dialect    Dialect

	// Handler answers plain requests, Socket or Upgrade WebSockets. One route
	// may have Handler and one of the others.
	Handler Handler
	Socket  SocketHandler
	Upgrade UpgradeHandler

	// MaxBodyBytes limits a request's body, as it arrives and once it is
	// decompressed. 0 is DefaultMaxBodyBytes; below 0, no limit, is for
	// streaming routes.
	MaxBodyBytes int64
	// Streaming gives the handler Request.Stream instead of Request.Body.
	Streaming bool
	// Watch ends the context at once when the client leaves, even while
	// nothing is read or written. It costs two system calls a request.
	Watch bool
	// BodyTypes are media types that the route takes beside JSON and multipart
	// from callers that prove nothing by a header, such as those with a cookie.
	// A type that a foreign page can send without a preflight (text/plain,
	// application/x-www-form-urlencoded) is refused when the route is added.
	BodyTypes []string

	// SetsCookie is for a public route whose answer sets or clears the session's
	// cookie. A browser's page has to be the server's own or a listed one there,
	// even where "*" lets any page in that proves nothing: else a page could log
	// its visitor in as somebody else.
	SetsCookie bool

	// Subprotocols are what a WebSocket route selects from, best first.
	Subprotocols []string
	// MaxMessageBytes limits a message that a WebSocket receives; 0 is
	// DefaultMaxMessageBytes.
	MaxMessageBytes int64

	// Exempt is for agents: neither MaxConnections nor AllowedIPs apply, and a
	// request with an Origin, which a browser made, is refused.
	Exempt bool
}

func (r *Route) maxBodyBytes() int64 {
	if r.MaxBodyBytes == 0 {
		return DefaultMaxBodyBytes
	}
	return r.MaxBodyBytes
}

func (r *Route) maxMessageBytes() int64 {
	if r.MaxMessageBytes == 0 {
		return DefaultMaxMessageBytes
	}
	return r.MaxMessageBytes
}

func (r *Route) upgrades() bool { return r.Socket != nil || r.Upgrade != nil }

// check returns what is wrong with a route, or "".
func (r *Route) check() string {
	switch {
	case r.Permission < Public || r.Permission > Administer:
		return "has no permission"
	case r.Handler == nil && !r.upgrades():
		return "has no handler"
	case r.Socket != nil && r.Upgrade != nil:
		return "has two handlers for WebSockets"
	case r.SetsCookie && (r.Permission != Public || r.Method == "GET" || r.Method == "HEAD" || r.Method == "OPTIONS"):
		return "sets a cookie and is no public change"
	case r.upgrades() && r.Method != "GET":
		return "upgrades another method than GET"
	case !r.Streaming && r.MaxBodyBytes < 0:
		return "buffers bodies without a limit"
	case !strings.HasPrefix(r.Path, "/"):
		return "has a path that does not start with a slash"
	case strings.HasPrefix(r.Path+"/", "/k/"):
		return "lies under /k/, where keys are"
	case r.Dialect > Anthropic:
		return "has an unknown dialect"
	}
	for _, t := range r.BodyTypes {
		if t == "text/plain" || t == "application/x-www-form-urlencoded" || t == "" {
			return fmt.Sprintf("takes %q without a key", t)
		}
	}
	return ""
}
