package e2e

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/corral-fleet/corral/e2e/corraltest"
)

// endLimit is how long what a session opened may outlive it.
const endLimit = 5 * time.Second

// browser is what a browser keeps and sends by itself.
type browser struct {
	*corraltest.Caller
	t       *testing.T
	address string
	cookie  string
}

func newBrowser(t *testing.T, c *corraltest.ControlPlane) *browser {
	return &browser{Caller: c.As(""), t: t, address: c.Address}
}

// login follows a link and returns the status.
func (b *browser) login(link string) int {
	b.t.Helper()
	page, secret, ok := strings.Cut(link, "/login#")
	if !ok || page != b.URL {
		b.t.Fatalf("the link is %q", link)
	}
	answer := b.Do("POST", "/api/login", object{"link": secret}, "Origin", b.URL)
	for _, cookie := range (&http.Response{Header: answer.Header}).Cookies() {
		b.cookie = cookie.Name + "=" + cookie.Value
	}
	return answer.Status
}

// ask sends what a page of an origin makes the browser send.
func (b *browser) ask(origin, method, path string, body any) corraltest.Answer {
	b.t.Helper()
	return b.Do(method, path, body, "Cookie", b.cookie, "Origin", origin)
}

// status returns what the browser gets for its session.
func (b *browser) status() int {
	b.t.Helper()
	return b.ask(b.URL, "GET", "/api/session", nil).Status
}

// open opens a WebSocket from a page, by the cookie or a key.
func (b *browser) open(origin string, header ...string) (int, *websocket.Conn) {
	b.t.Helper()
	h := http.Header{"Origin": {origin}}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	ws, response, err := websocket.DefaultDialer.DialContext(b.t.Context(), "ws://"+b.address+"/ws", h)
	if err != nil && !errors.Is(err, websocket.ErrBadHandshake) {
		b.t.Fatal(err)
	}
	if ws != nil {
		b.t.Cleanup(func() { _ = ws.Close() })
	}
	return response.StatusCode, ws
}

// dashboard opens the WebSocket of the server's own page.
func (b *browser) dashboard() *websocket.Conn {
	b.t.Helper()
	status, ws := b.open(b.URL, "Cookie", b.cookie)
	if status != http.StatusSwitchingProtocols {
		b.t.Fatalf("the WebSocket of the own page: status %d", status)
	}
	return ws
}

// wantEnd wants a WebSocket to be closed by the server soon.
func wantEnd(t *testing.T, ws *websocket.Conn) {
	t.Helper()
	started := time.Now()
	err := ws.SetReadDeadline(started.Add(endLimit))
	for err == nil {
		_, _, err = ws.ReadMessage()
	}
	if !websocket.IsCloseError(err, websocket.ClosePolicyViolation) {
		t.Errorf("the WebSocket ends with %v", err)
	}
	t.Logf("the WebSocket ended after %v", time.Since(started))
}

// runJSON runs a command of the control plane that prints JSON.
func runJSON(t *testing.T, result any, args ...string) {
	t.Helper()
	out := corraltest.Output(t, corraltest.Bin(t, "corral-controlplane"), args...)
	if err := json.Unmarshal([]byte(out), result); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
}

// newLink makes a key with a link, and returns both.
func newLink(t *testing.T, c *corraltest.ControlPlane, name string) (link, id string) {
	t.Helper()
	var made struct{ Link, ID string }
	runJSON(t, &made, "key", "create", "--data-dir", c.DataDir, "--name", name, "--role", corraltest.Admin, "--link", "--url", c.URL(), "--json")
	return made.Link, made.ID
}

// TestSession logs a browser in by a link and has it do what a dashboard does.
func TestSession(t *testing.T) {
	t.Parallel()
	controlplane := corraltest.New(t).ControlPlane()
	link, id := newLink(t, controlplane, "me")
	b := newBrowser(t, controlplane)
	if status := b.login(link); status != 200 {
		t.Fatalf("the link: status %d", status)
	}
	if status := newBrowser(t, controlplane).login(link); status != 401 {
		t.Errorf("the link once more: status %d", status)
	}

	var session struct {
		Name, Role, By string
		ExpiresAt      time.Time `json:"expires_at"`
	}
	b.ask(b.URL, "GET", "/api/session", nil).JSON(&session)
	if left := time.Until(session.ExpiresAt); session.Name != "me" || session.Role != "admin" || session.By != "session" || left < 6*24*time.Hour || left > 7*24*time.Hour {
		t.Errorf("the session is %+v", session)
	}
	const elsewhere = "https://evil.example"
	for origin, want := range map[string]int{b.URL: 201, "http://localhost:3000": 201, elsewhere: 403, "http://localhost:8080": 403} {
		if answer := b.ask(origin, "POST", "/api/tokens", object{}); answer.Status != want {
			t.Errorf("a change from %s: %d %s, want %d", origin, answer.Status, answer.Body, want)
		}
	}
	for _, header := range [][]string{
		{"Cookie", b.cookie},
		{"Cookie", b.cookie, "Sec-Fetch-Site", "cross-site"},
		{"Cookie", b.cookie, "Host", "evil.example"}, // whose name was pointed here
	} {
		if status, _ := b.open(elsewhere, header...); status != 403 {
			t.Errorf("a WebSocket of another site's page, with %q: status %d", header[2:], status)
		}
	}
	ws := b.dashboard()

	answer := b.ask(b.URL, "POST", "/api/logout", nil)
	if cleared := answer.Header.Get("Set-Cookie"); answer.Status != 200 || !strings.HasPrefix(cleared, "corral_session=;") || !strings.Contains(cleared, "Max-Age=0") {
		t.Errorf("logging out: %d %q", answer.Status, cleared)
	}
	if answer := controlplane.As("").Post("/api/logout", object{}); answer.Status != 200 || answer.Body != "null" {
		t.Errorf("logging out without a session: %d %s", answer.Status, answer.Body)
	}

	controlplane.Stop()
	controlplane.Restart()
	if status := b.status(); status != 200 {
		t.Errorf("after a restart: status %d", status)
	}
	_ = ws.Close()
	ws = b.dashboard()
	corraltest.Output(t, corraltest.Bin(t, "corral-controlplane"), "key", "revoke", "--data-dir", controlplane.DataDir, id)
	wantEnd(t, ws)
	if status := b.status(); status != 401 {
		t.Errorf("after the key was revoked: status %d", status)
	}
}

// TestAnotherSecretEndsSessions changes what signs sessions while some are open.
func TestAnotherSecretEndsSessions(t *testing.T) {
	t.Parallel()
	controlplane := corraltest.New(t).ControlPlane()
	link, _ := newLink(t, controlplane, "me")
	b := newBrowser(t, controlplane)
	if status := b.login(link); status != 200 {
		t.Fatalf("the link: status %d", status)
	}
	ws := b.dashboard()
	_, byKey := b.open(b.URL, "Authorization", "Bearer "+controlplane.Key(corraltest.Admin))

	if answer := b.ask(b.URL, "POST", "/api/config", object{"security": object{"jwt_secret": ""}}); answer.Status != 200 {
		t.Fatalf("a new secret: %d %s", answer.Status, answer.Body)
	}
	if status := b.status(); status != 401 {
		t.Errorf("the old session: status %d", status)
	}
	wantEnd(t, ws)
	// Each second brings a message to who is still there.
	for range 3 {
		if err := byKey.SetReadDeadline(time.Now().Add(endLimit)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := byKey.ReadMessage(); err != nil {
			t.Fatalf("the WebSocket by key: %v", err)
		}
	}
	var again struct{ Link string }
	runJSON(t, &again, "key", "link", "me", "--data-dir", controlplane.DataDir, "--url", controlplane.URL(), "--json")
	if status := b.login(again.Link); status != 200 || b.status() != 200 {
		t.Errorf("logging in again: status %d", status)
	}
}

// TestOneLinkLetsOneIn has many browsers follow a link that was made while no
// server ran.
func TestOneLinkLetsOneIn(t *testing.T) {
	t.Parallel()
	controlplane := corraltest.New(t).ControlPlane()
	controlplane.Stop()
	link, _ := newLink(t, controlplane, "me")
	controlplane.Restart()
	_, secret, _ := strings.Cut(link, "#")
	var (
		browsers sync.WaitGroup
		let      atomic.Int32
	)
	for range 10 {
		browsers.Go(func() {
			response, err := corraltest.Plain().Post(controlplane.URL()+"/api/login", "application/json", strings.NewReader(`{"link":"`+secret+`"}`))
			if err != nil {
				t.Error(err)
				return
			}
			_ = response.Body.Close()
			switch response.StatusCode {
			case http.StatusOK:
				let.Add(1)
			case http.StatusUnauthorized:
			default:
				t.Errorf("status %d", response.StatusCode)
			}
		})
	}
	browsers.Wait()
	if let.Load() != 1 {
		t.Errorf("%d were let in", let.Load())
	}
}
