package edge

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
)

// A page must not be able to log its visitor in as somebody else, not even
// where any page may call without credentials.
func TestWhoMaySetTheCookie(t *testing.T) {
	f := start(t, Snapshot{CORSOrigins: []string{"*", "https://dash.example.com"}},
		Route{Method: "POST", Path: "/login", Permission: Public, SetsCookie: true, Handler: echo},
		Route{Method: "POST", Path: "/open", Permission: Public, Handler: echo})
	for _, c := range []struct {
		path   string
		lines  []string
		status int
	}{
		{"/login", nil, 200}, // no browser
		{"/login", []string{"Origin: http://" + f.addr}, 200},
		{"/login", []string{"Origin: https://dash.example.com"}, 200},
		{"/login", []string{"Origin: https://evil.example"}, 403},
		{"/login", []string{"Origin: http://localhost:8080"}, 403},
		{"/login", []string{"Origin: null"}, 403},
		{"/login", []string{"Sec-Fetch-Site: cross-site"}, 403},
		{"/login", []string{"Origin: https://evil.example", "Authorization: Bearer LEAKMARKER-admin"}, 403},
		{"/open", []string{"Origin: https://evil.example"}, 200}, // which is what "*" says
	} {
		lines := append([]string{"Content-Type: application/json", "Content-Length: 2"}, c.lines...)
		if status, _, body := f.raw(head("POST", c.path, f.addr, lines...) + "{}"); status != c.status {
			t.Errorf("%s %q: %d, want %d: %s", c.path, c.lines, status, c.status, body)
		}
	}
}

func TestOnlyAPublicChangeSetsTheCookie(t *testing.T) {
	for _, r := range []Route{
		{Method: "GET", Path: "/", Permission: Public, SetsCookie: true, Handler: echo},
		{Method: "POST", Path: "/", Permission: Read, SetsCookie: true, Handler: echo},
	} {
		if r.check() == "" {
			t.Errorf("%s with the permission %v is taken", r.Method, r.Permission)
		}
	}
}

func TestCookiesGoOutAsTheyAre(t *testing.T) {
	const cookie = "session=a.b-c_d; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure"
	f := start(t, Snapshot{}, Route{
		Method: "POST", Path: "/login", Permission: Public, SetsCookie: true,
		Handler: func(context.Context, *Request) (*Response, error) {
			return &Response{Header: []HeaderField{{Name: "Set-Cookie", Value: cookie}}}, nil
		},
	})
	if _, header, _ := f.raw(head("POST", "/login", f.addr)); len(header.Values("Set-Cookie")) != 1 || header.Get("Set-Cookie") != cookie {
		t.Errorf("got %q", header.Values("Set-Cookie"))
	}
}

func TestPagesMayReadWhichHostAnswered(t *testing.T) {
	f := start(t, Snapshot{CORSOrigins: []string{"http://localhost:3000"}}, Route{Method: "GET", Path: "/", Permission: Public, Handler: echo})
	_, header, _ := f.raw(head("GET", "/", f.addr, "Origin: http://localhost:3000"))
	if exposed := header.Get("Access-Control-Expose-Headers"); !strings.Contains(exposed, "Corral-Host") {
		t.Errorf("exposed are %q", exposed)
	}
}

// short is an Authenticator whose only caller has a session that ends soon.
type short struct{ expires time.Time }

func (s short) Authenticate(context.Context, Credentials) (Caller, error) {
	return Caller{ID: "s", Name: "short", May: Read, Expires: s.expires}, nil
}

func TestAWebSocketEndsWithItsSession(t *testing.T) {
	f := startTuned(t, Snapshot{}, func(s *Server) { s.auth = short{time.Now().Add(followAfter / 2)} },
		Route{Path: "/ws", Permission: Read, Socket: func(_ context.Context, _ *Request, s *Socket) error {
			_, _, err := s.Receive()
			return err
		}})
	ws, _, err := f.websocket("/ws", http.Header{})
	if err != nil {
		t.Fatal(err)
	}
	ws.SetReadDeadline(time.Now().Add(patience))
	if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, websocket.ClosePolicyViolation) {
		t.Errorf("it ended with %v", err)
	}
}
