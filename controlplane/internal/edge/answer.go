package edge

import (
	"errors"
	"io"
	"net"
	"net/url"
	"strings"

	"github.com/valyala/fasthttp"
)

// answer writes what the edge itself has to say.
func (s *Server) answer(rc *fasthttp.RequestCtx, a *admission) {
	resp := a.answer
	if a.err != nil {
		resp = s.explain(a, a.err)
	}
	s.refused.Add(1)
	s.finish(rc, a, nil, resp)
}

// explain turns a handler's or the edge's error into an answer. What the client
// can't be told goes to the log, once.
func (s *Server) explain(a *admission, err error) *Response {
	if StatusOf(err) == fasthttp.StatusInternalServerError && !errors.Is(err, errPanicked) {
		s.log.Error("request failed", "method", a.request.Method, "path", a.request.Path,
			"caller", a.request.Caller.ID, "error", err)
	}
	return problem(a.dialect, err)
}

// finish writes the head of an answer, and its body unless that is streamed.
func (s *Server) finish(rc *fasthttp.RequestCtx, a *admission, in *body, resp *Response) {
	status := resp.Status
	if status == 0 {
		status = fasthttp.StatusOK
	}
	rc.Response.SetStatusCode(status)
	h := &rc.Response.Header
	for _, f := range sane {
		h.Set(f.Name, f.Value)
	}
	if !a.preflight {
		for _, f := range a.browser.corsHeader(a.secret) {
			h.Add(f.Name, f.Value)
		}
	}
	for _, f := range resp.Header {
		switch f.Name {
		case "Connection":
			rc.SetConnectionClose()
		case "Vary", "Set-Cookie", "Link", "Via":
			h.Add(f.Name, f.Value)
		case "Location":
			h.Set(f.Name, a.reachable(f.Value))
		default:
			h.Set(f.Name, f.Value)
		}
	}
	rc.Response.SetBodyRaw(resp.Body)
	if a.cutsBody(rc, in) {
		// What follows on this connection is not the head of a request.
		a.conn.linger.Store(true)
		rc.SetConnectionClose()
	}
}

// reachable returns a path of this server as the client can call it: who can set nothing
// but a URL has its key in that.
func (a *admission) reachable(path string) string {
	if a.urlKey == "" || !strings.HasPrefix(path, "/") {
		return path
	}
	return "/k/" + url.PathEscape(a.urlKey) + path
}

// sane are the fields of every answer; a handler may set them otherwise.
var sane = [...]HeaderField{
	{Name: "X-Content-Type-Options", Value: "nosniff"},
	{Name: "X-Frame-Options", Value: "DENY"},
	{Name: "Referrer-Policy", Value: "no-referrer"},
	{Name: "Cache-Control", Value: "no-store"},
}

// fewBytes of a body that nobody wants are read to keep the connection.
const fewBytes = 64 << 10

// cutsBody reports whether so much of the request's body may still be on its
// way that the connection has to end with the answer.
func (a *admission) cutsBody(rc *fasthttp.RequestCtx, in *body) bool {
	left := a.request.ContentLength
	switch {
	case left == 0 || in != nil && in.complete():
		return false
	case in == nil && rc.Request.MayContinue():
		return false // never asked for; fasthttp closes
	case in != nil:
		left = in.left()
	}
	if left < 0 || left > fewBytes {
		return true
	}
	a.conn.readWithin(a.policy.progressTimeout()) // fasthttp reads it
	return false
}

// stream lets fasthttp write a streamed answer.
func (s *Server) stream(rc *fasthttp.RequestCtx, a *admission, resp *Response, out *outflow) {
	length := -1
	if resp.StreamBytes > 0 {
		length = int(resp.StreamBytes)
	}
	switch {
	case length >= fileBytes:
		rc.Response.SetBodyStream(file{out, s.fileBuffers}, length)
		return
	case length >= 0, rc.Request.Header.IsHTTP11(), rc.IsHead():
		rc.Response.SetBodyStream(out, length)
		return
	}
	// HTTP/1.0, as proxies speak it by default, has no chunks: the end of the
	// connection is the end of the answer.
	rc.SetConnectionClose()
	rc.Response.Header.SetContentLength(-2)
	head := append([]byte(nil), rc.Response.Header.Header()...)
	rc.Response.ResetBody()
	rc.HijackSetNoResponse(true)
	a.conn.handOver(func() { _ = out.Close() })
	rc.Hijack(func(net.Conn) {
		a.conn.takeOver()
		defer a.conn.owner.upgraded.add(-1)
		defer a.conn.Close()
		defer out.Close()
		if _, err := a.conn.Write(head); err == nil {
			// How the copy ends is told by how the connection does.
			_, _ = io.Copy(struct{ io.Writer }{a.conn}, out)
		}
	})
}
