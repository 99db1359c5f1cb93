package edge

import (
	"bytes"
	"context"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/corral-fleet/corral/sdk/fault"
)

// admission is what was decided about a request from its head alone: the route
// with its caller, an answer that needs neither, or why not.
type admission struct {
	conn    *conn
	policy  *Snapshot
	request *Request
	route   *Route    // nil when an answer or an error stands in its place
	answer  *Response // of the edge itself
	err     error

	dialect   Dialect
	browser   browserView
	proof     proof
	secret    bool   // a key stands in the request, or a preflight announces one
	urlKey    string // the key that stands in the path; empty without one
	upgrade   bool
	preflight bool
	encoding  string // of the body
}

// admit decides about a request. It reads the head and nothing else.
func (s *Server) admit(ctx context.Context, rc *fasthttp.RequestCtx) *admission {
	h := &rc.Request.Header
	a := &admission{
		conn:    rc.Conn().(*conn),
		policy:  s.policy(),
		upgrade: isUpgrade(h),
	}
	a.request = &Request{
		Method:        string(h.Method()),
		Host:          string(h.Host()),
		RemoteIP:      a.conn.remote,
		TLS:           a.conn.secure.Load() != nil,
		ContentType:   string(h.ContentType()),
		ContentLength: announced(h),
	}
	a.preflight = h.IsOptions() && len(h.Peek("Access-Control-Request-Method")) > 0 && len(h.Peek("Origin")) > 0
	a.browser = viewBrowser(string(h.Peek("Origin")), a.request.Host, string(h.Peek("Sec-Fetch-Site")), s.names, a.policy.CORSOrigins)
	a.err = s.decide(ctx, rc, a)
	return a
}

// decide runs the checks in an order in which each refuses before the next one
// could be made to work for a stranger.
func (s *Server) decide(ctx context.Context, rc *fasthttp.RequestCtx, a *admission) error {
	h := &rc.Request.Header
	t, err := parseTarget(string(h.RequestURI()), a.request.Host)
	a.dialect = dialectOf(t.segments)
	a.request.Path, a.urlKey = t.path, t.urlKey
	a.secret = t.urlKey != "" || len(h.Peek("Authorization")) > 0 || len(h.Peek("X-Api-Key")) > 0
	if err != nil {
		return err
	}
	end, values := s.router.root.find(t.segments, nil)
	route, params := s.pick(end, a)
	if route != nil {
		a.dialect = route.Dialect
	}
	if err := s.admitConn(a, route); err != nil {
		return err
	}
	if a.request.Method == "OPTIONS" && route == nil {
		return s.answerOptions(rc, a, end, t)
	}
	switch {
	case end == nil:
		return fault.New(fault.NotFound, "there is nothing at %s", t.path)
	case route == nil && a.upgrade:
		return fault.New(fault.Invalid, "there is no WebSocket at %s", t.path)
	case route == nil && end.ending("GET") != nil && end.ending("GET").http == nil && a.request.Method == "GET":
		return &statusError{
			cause:  fault.New(fault.Invalid, "%s is a WebSocket; ask for an upgrade", t.path),
			status: 426,
			header: []HeaderField{{Name: "Upgrade", Value: "websocket"}},
		}
	case route == nil:
		return &statusError{
			cause:  fault.New(fault.Invalid, "%s does not answer to %s", t.path, a.request.Method),
			status: 405,
			header: []HeaderField{{Name: "Allow", Value: end.methods()}},
		}
	}
	if err := s.identify(ctx, rc, a, route, &t); err != nil {
		return err
	}
	if err := a.admitContent(route); err != nil {
		return err
	}
	a.encoding = string(bytes.ToLower(h.Peek("Content-Encoding")))
	if route.Streaming && a.encoding != "" && a.encoding != "identity" {
		return unknownEncoding(a.encoding)
	}
	t.query.Del("ticket")
	a.request.Query = t.query
	a.request.header = copyHeader(h)
	for i, name := range params {
		a.request.params = append(a.request.params, HeaderField{Name: name, Value: values[i]})
	}
	a.route = route
	return nil
}

// pick returns the route for the request's method at the end of its path. HEAD
// is answered by GET's handler unless a route says otherwise; a preflight is
// never a route's.
func (s *Server) pick(end *node, a *admission) (*Route, []string) {
	if end == nil || a.preflight {
		return nil, nil
	}
	e := end.ending(a.request.Method)
	if e == nil && a.request.Method == "HEAD" {
		e = end.ending("GET")
	}
	switch {
	case e == nil:
		// An error takes the dialect of the path's other routes.
		if other := end.endings[0]; other.http != nil {
			a.dialect = other.http.Dialect
		}
		return nil, nil
	case a.upgrade:
		return e.ws, e.params
	}
	return e.http, e.params
}

// admitConn applies what the settings say of connections and addresses.
func (s *Server) admitConn(a *admission, route *Route) error {
	if route != nil && route.Exempt {
		if a.browser.origin != "" {
			return fault.New(fault.Forbidden, "this is for agents, not for browsers")
		}
		a.conn.owner.excuse(a.conn)
		return s.admitPlain(a)
	}
	if !a.policy.allows(a.conn.remote) {
		return &statusError{cause: fault.New(fault.Forbidden, "your address is not among those that may call"), header: closing()}
	}
	if a.conn.owner.full(a.conn, a.policy.MaxConnections) {
		return &statusError{
			cause:  fault.New(fault.Unavailable, "the server has as many connections as it takes"),
			header: closing(),
		}
	}
	return s.admitPlain(a)
}

func (s *Server) admitPlain(a *admission) error {
	if a.policy.RequireTLS && !a.request.TLS && !a.conn.remote.IsLoopback() {
		return &statusError{cause: fault.New(fault.Forbidden, "this server answers over TLS alone; use https"), header: closing()}
	}
	return nil
}

func closing() []HeaderField { return []HeaderField{{Name: "Connection", Value: "close"}} }

// answerOptions answers preflights, and OPTIONS where no route does.
func (s *Server) answerOptions(rc *fasthttp.RequestCtx, a *admission, end *node, t target) error {
	if end == nil && t.path != "*" {
		return fault.New(fault.NotFound, "there is nothing at %s", t.path)
	}
	methods := "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
	if end != nil {
		methods = end.methods()
	}
	if !a.preflight {
		a.answer = &Response{Status: 204, Header: []HeaderField{{Name: "Allow", Value: methods}}}
		return nil
	}
	h := &rc.Request.Header
	wanted := string(h.Peek("Access-Control-Request-Headers"))
	a.secret = t.urlKey != "" || announcesKey(wanted)
	private := string(h.Peek("Access-Control-Request-Private-Network")) == "true"
	answer, err := a.browser.preflight(methods, wanted, a.secret, private)
	a.answer = answer
	return err
}

// identify finds out who calls and whether this caller may use the route, from
// where it does.
func (s *Server) identify(ctx context.Context, rc *fasthttp.RequestCtx, a *admission, route *Route, t *target) error {
	if a.upgrade {
		if err := a.browser.admitSocket(); err != nil {
			return err
		}
	}
	var credentials Credentials
	credentials, a.proof = readCredentials(rc, t, s.cookie, a.conn.remote, a.upgrade)
	public := route.Permission == Public
	if public && (!a.upgrade || route.Exempt) {
		// Nobody asks who reads what is public, and under which name. A change
		// is another matter: it may set a cookie.
		a.proof = proofNone
		if route.SetsCookie {
			a.proof = proofCookie // the answer's cookie is judged like one of the request
		}
		a.request.Caller = Caller{May: Public, Anonymous: true}
		if m := a.request.Method; m == "GET" || m == "HEAD" || m == "OPTIONS" {
			return nil
		}
		if !route.Exempt {
			if err := s.count(a, ""); err != nil {
				return err
			}
		}
		return a.admitPublic()
	}
	caller, err := s.auth.Authenticate(ctx, credentials)
	// Who guesses keys is counted as well.
	if err := s.count(a, caller.ID); err != nil {
		return err
	}
	if err != nil {
		if public && a.proof != proofSecret && fault.KindOf(err) == fault.Unauthenticated {
			a.request.Caller = Caller{May: Public, Anonymous: true}
			return nil // may prove itself by what it says on the socket
		}
		return err
	}
	if caller.Anonymous {
		a.proof = proofNone
	}
	admitPage := a.browser.admitPage
	if public {
		admitPage = func(proof) error { return a.admitPublic() }
	}
	if err := admitPage(a.proof); err != nil {
		return err
	}
	if caller.May < route.Permission {
		if caller.Anonymous {
			return fault.New(fault.Unauthenticated, "this needs a key; send it as \"Authorization: Bearer KEY\"")
		}
		return fault.New(fault.Forbidden, "the key %q may not do this: it takes one with the role %s", caller.Name, route.Permission.role())
	}
	a.request.Caller = caller
	return nil
}

// count counts a request of a key, or of the address where that is empty.
func (s *Server) count(a *admission, key string) error {
	if a.policy.RatePerMinute == 0 {
		return nil
	}
	caller := "key " + key
	if key == "" {
		caller = "address " + a.conn.remote.String()
	}
	return s.rates.take(caller, a.policy.RatePerMinute, time.Now())
}

// admitPublic admits whoever is no browser, and no page but those that may
// call: a browser always tells where a change or a WebSocket comes from.
func (a *admission) admitPublic() error {
	if a.browser.standing == originNone && !a.browser.cross {
		return nil
	}
	return a.browser.admitPage(a.proof)
}

// admitContent judges the body by what the head says of it.
func (a *admission) admitContent(route *Route) error {
	r := a.request
	if r.ContentLength == 0 || a.upgrade {
		return nil
	}
	if limit := route.maxBodyBytes(); limit >= 0 && r.ContentLength > limit {
		return tooLarge(limit)
	}
	if r.Method == "GET" || r.Method == "HEAD" {
		return nil
	}
	return admitBody(a.proof, r.ContentType, route.BodyTypes)
}

// announced returns the length of the body that a head announces.
func announced(h *fasthttp.RequestHeader) int64 {
	switch n := h.ContentLength(); {
	case n >= 0:
		return int64(n)
	case n == -1:
		return -1
	}
	return 0
}

// isUpgrade reports whether a request asks for a WebSocket.
func isUpgrade(h *fasthttp.RequestHeader) bool {
	return h.IsGet() && bytes.EqualFold(bytes.TrimSpace(h.Peek("Upgrade")), []byte("websocket"))
}
