package edge

import (
	"context"
	"net/http"
	"strings"
	"testing"
)

// Who may call from which page, under which name, and with what proof. The
// server's address is 127.0.0.1:PORT, written as HOST; it is called corral-host.
func TestOriginHostTable(t *testing.T) {
	f := start(t, Snapshot{CORSOrigins: []string{"http://localhost:3000", "https://dash.example.com"}},
		Route{Method: "GET", Path: "/api", Permission: Read, Handler: echo},
		Route{Method: "POST", Path: "/api", Permission: Read, Handler: echo},
		Route{Method: "GET", Path: "/open", Permission: Public, Handler: echo},
		Route{Method: "POST", Path: "/login", Permission: Public, Handler: echo},
		Route{Method: "POST", Path: "/agent", Permission: Public, Exempt: true, Handler: echo})
	_, port, _ := strings.Cut(f.addr, ":")
	const (
		none, cookie, bearer = "", "Cookie: session=LEAKMARKER-admin", "Authorization: Bearer LEAKMARKER-admin"
		crossSite            = "Sec-Fetch-Site: cross-site"
	)
	for i, c := range []struct {
		method, path, host, origin, proof, extra string
		status                                   int
		allow                                    string // Access-Control-Allow-Origin
	}{
		// A key in a header: any name, any page; but only some may read the answer.
		{"GET", "/api", "HOST", "", bearer, "", 200, ""},
		{"GET", "/api", "evil.example", "", bearer, "", 200, ""},
		{"GET", "/api", "HOST", "http://HOST", bearer, "", 200, "http://HOST"},
		{"GET", "/api", "HOST", "http://localhost:3000", bearer, "", 200, "http://localhost:3000"},
		{"GET", "/api", "HOST", "http://localhost:8080", bearer, "", 200, "http://localhost:8080"},
		{"GET", "/api", "HOST", "https://127.0.0.1", bearer, "", 200, "https://127.0.0.1"},
		{"GET", "/api", "HOST", "app://obsidian.md", bearer, "", 200, "app://obsidian.md"},
		{"GET", "/api", "HOST", "tauri://localhost", bearer, "", 200, "tauri://localhost"},
		{"GET", "/api", "HOST", "vscode-webview://abc", bearer, "", 200, "vscode-webview://abc"},
		{"GET", "/api", "HOST", "http://evil.example", bearer, "", 200, ""},
		{"GET", "/api", "HOST", "null", bearer, "", 200, ""},
		{"GET", "/api", "HOST", "", bearer, crossSite, 200, ""},
		{"POST", "/api", "HOST", "", bearer, "Content-Type: text/plain", 200, ""},
		{"GET", "/nothing", "HOST", "http://localhost:8080", bearer, "", 404, "http://localhost:8080"},
		{"POST", "/open", "HOST", "http://localhost:3000", bearer, "", 405, "http://localhost:3000"},
		{"GET", "/api", "HOST", "http://localhost:8080", "Authorization: Bearer garbage", "", 401, "http://localhost:8080"},
		// A cookie: own and listed pages, own names, JSON.
		{"GET", "/api", "HOST", "", cookie, "", 200, ""},
		{"GET", "/api", "localhost:PORT", "", cookie, "", 200, ""},
		{"GET", "/api", "LOCALHOST:PORT", "", cookie, "", 200, ""},
		{"GET", "/api", "corral-host:PORT", "", cookie, "", 200, ""},
		{"GET", "/api", "[::1]:PORT", "", cookie, "", 200, ""},
		{"GET", "/api", "dash.example.com", "", cookie, "", 200, ""},
		{"GET", "/api", "evil.example:PORT", "", cookie, "", 403, ""},
		{"GET", "/api", "127.0.0.1.evil.example", "", cookie, "", 403, ""},
		{"GET", "/api", "corral-host.evil.example", "", cookie, "", 403, ""},
		{"GET", "/api", "HOST", "http://HOST", cookie, "", 200, "http://HOST"},
		{"GET", "/api", "HOST", "http://localhost:3000", cookie, crossSite, 200, "http://localhost:3000"},
		{"GET", "/api", "HOST", "https://dash.example.com", cookie, "", 200, "https://dash.example.com"},
		{"GET", "/api", "HOST", "https://dash.example.com:443", cookie, "", 200, "https://dash.example.com:443"},
		{"GET", "/api", "HOST", "http://dash.example.com", cookie, "", 403, ""},
		{"GET", "/api", "HOST", "http://localhost:8080", cookie, "", 403, ""},
		{"GET", "/api", "HOST", "app://obsidian.md", cookie, "", 403, ""},
		{"GET", "/api", "HOST", "http://evil.example", cookie, "", 403, ""},
		{"GET", "/api", "evil.example:PORT", "http://evil.example:PORT", cookie, "", 403, ""}, // rebinding
		{"GET", "/api", "HOST", "null", cookie, "", 403, ""},
		{"GET", "/api", "HOST", "http://HOST@evil.example", cookie, "", 403, ""},
		{"GET", "/api", "HOST", "", cookie, crossSite, 403, ""},
		{"GET", "/api", "HOST", "", cookie, "Sec-Fetch-Site: same-origin", 200, ""},
		{"POST", "/api", "HOST", "http://HOST", cookie, "Content-Type: application/json", 200, "http://HOST"},
		{"POST", "/api", "HOST", "http://HOST", cookie, "Content-Type: multipart/form-data; boundary=x", 200, "http://HOST"},
		{"POST", "/api", "HOST", "http://HOST", cookie, "Content-Type: text/plain", 400, "http://HOST"},
		{"POST", "/api", "HOST", "http://HOST", cookie, "Content-Type: application/x-www-form-urlencoded", 400, "http://HOST"},
		{"POST", "/api", "HOST", "http://HOST", cookie, "X: y", 400, "http://HOST"},
		{"POST", "/api", "HOST", "http://evil.example", cookie, "Content-Type: application/json", 403, ""},
		// A cookie that rides along with a key of another kind is not looked at.
		{"GET", "/k/garbage/api", "HOST", "http://evil.example", cookie, "", 401, ""},
		{"GET", "/k/LEAKMARKER-admin/api", "HOST", "http://localhost:8080", none, "", 200, "http://localhost:8080"},
		// Nobody in particular, which the settings may let in.
		{"GET", "/api", "HOST", "", none, "", 200, ""},
		{"GET", "/api", "evil.example:PORT", "", none, "", 403, ""},
		{"GET", "/api", "HOST", "http://evil.example", none, "", 403, ""},
		{"POST", "/api", "HOST", "", none, "Content-Type: text/plain", 400, ""},
		// Public routes: read by all, changed only from the right pages.
		{"GET", "/open", "corral.example.org", "", none, "", 200, ""},
		{"GET", "/open", "evil.example:PORT", "http://evil.example:PORT", none, "", 200, ""},
		{"POST", "/login", "corral.example.org", "", none, "Content-Type: application/json", 200, ""},
		{"POST", "/login", "HOST", "http://HOST", none, "Content-Type: application/json", 200, "http://HOST"},
		{"POST", "/login", "HOST", "http://evil.example", none, "Content-Type: application/json", 403, ""},
		{"POST", "/k/garbage/login", "HOST", "http://evil.example", none, "Content-Type: text/plain", 403, ""},
		// Agents are no browsers.
		{"POST", "/agent", "corral.example.org", "", none, "Content-Type: application/json", 200, ""},
		{"POST", "/agent", "HOST", "http://HOST", none, "Content-Type: application/json", 403, "http://HOST"},
		{"POST", "/agent", "HOST", "http://localhost:3000", bearer, "Content-Type: application/json", 403, "http://localhost:3000"},
	} {
		f.keys.anonymous.Store(uint32(Read))
		expand := strings.NewReplacer("HOST", f.addr, "PORT", port).Replace
		lines := []string{}
		for _, l := range []string{c.proof, c.extra} {
			if l != "" {
				lines = append(lines, l)
			}
		}
		if c.origin != "" {
			lines = append(lines, "Origin: "+expand(c.origin))
		}
		body := ""
		if c.method == "POST" {
			body = "{}"
			lines = append(lines, "Content-Length: 2")
		}
		host := c.host
		if !strings.Contains(host, "LOCALHOST") {
			host = expand(host)
		} else {
			host = strings.ReplaceAll(host, "PORT", port)
		}
		status, header, answer := f.raw(head(c.method, c.path, host, lines...) + body)
		allow := expand(c.allow)
		if status != c.status || header.Get("Access-Control-Allow-Origin") != allow {
			t.Errorf("row %d: %s %s Host %q Origin %q %q %q: %d, allowed %q; want %d, %q\n%s", i, c.method, c.path, host, c.origin,
				c.proof, c.extra, status, header.Get("Access-Control-Allow-Origin"), c.status, allow, answer)
		}
		if got := header.Values("Vary"); status != 0 && (len(got) == 0 || got[0] != "Origin") {
			t.Errorf("row %d: Vary is %q", i, got)
		}
	}
}

func TestWildcardIsForThoseWithoutCredentials(t *testing.T) {
	f := start(t, Snapshot{CORSOrigins: []string{"*"}}, Route{Method: "GET", Path: "/api", Permission: Read, Handler: echo})
	f.keys.anonymous.Store(uint32(Read))
	for proof, want := range map[string]int{
		"X: y": 200, "Cookie: session=LEAKMARKER-admin": 403, "Authorization: Bearer LEAKMARKER-admin": 200,
	} {
		status, header, _ := f.raw(head("GET", "/api", f.addr, "Origin: https://any.example", proof))
		if status != want || header.Get("Access-Control-Allow-Origin") != "*" || header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %d %v, want %d", proof, status, header, want)
		}
	}
}

func TestPreflight(t *testing.T) {
	f := start(t, Snapshot{CORSOrigins: []string{"http://localhost:3000"}},
		Route{Method: "GET", Path: "/api", Permission: Administer, Handler: echo},
		Route{Method: "PUT", Path: "/api", Permission: Administer, Handler: echo},
		Route{Method: "OPTIONS", Path: "/tus", Permission: Public, Handler: func(context.Context, *Request) (*Response, error) {
			return &Response{Status: 204, Header: []HeaderField{{Name: "Tus-Version", Value: "1.0.0"}}}, nil
		}})
	for _, c := range []struct {
		path, origin, headers string
		status                int
		methods               string
	}{
		{"/api", "http://localhost:3000", "content-type", 204, "GET, HEAD, OPTIONS, PUT"},
		{"/api", "http://localhost:3000", "authorization", 204, "GET, HEAD, OPTIONS, PUT"},
		{"/api", "http://localhost:8080", "content-type", 403, ""}, // Ollama's origins need a key
		{"/api", "http://localhost:8080", "content-type, Authorization", 204, "GET, HEAD, OPTIONS, PUT"},
		{"/k/x/api", "http://localhost:8080", "content-type", 204, "GET, HEAD, OPTIONS, PUT"},
		{"/api", "http://evil.example", "authorization", 403, ""},
		{"/none", "http://localhost:3000", "authorization", 404, ""},
		{"/tus", "http://localhost:3000", "tus-resumable", 204, "OPTIONS"},
	} {
		status, header, body := f.raw(head("OPTIONS", c.path, f.addr, "Origin: "+c.origin,
			"Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: "+c.headers, "Access-Control-Request-Private-Network: true"))
		if status != c.status || header.Get("Access-Control-Allow-Methods") != c.methods {
			t.Errorf("%+v: %d %v %s", c, status, header, body)
		}
		if status == 204 && (header.Get("Access-Control-Allow-Private-Network") != "true" ||
			header.Get("Access-Control-Allow-Headers") != c.headers || header.Get("Access-Control-Allow-Origin") != c.origin) {
			t.Errorf("%+v: %v", c, header)
		}
	}
	// Without a page behind it, OPTIONS is a question like any other.
	if status, header, _ := f.raw(head("OPTIONS", "/tus", f.addr)); status != 204 || header.Get("Tus-Version") != "1.0.0" {
		t.Errorf("OPTIONS of a route: %d %v", status, header)
	}
	if status, header, _ := f.raw(head("OPTIONS", "/api", f.addr)); status != 204 || header.Get("Allow") == "" {
		t.Errorf("OPTIONS: %d %v", status, header)
	}
}

func TestWebSocketOrigins(t *testing.T) {
	done := func(context.Context, *Request, *Socket) error { return nil }
	f := start(t, Snapshot{CORSOrigins: []string{"http://localhost:3000"}},
		Route{Path: "/ws", Permission: Read, Socket: done, Subprotocols: []string{"corral.v1"}},
		Route{Path: "/open", Permission: Public, Socket: done},
		Route{Path: "/agent", Permission: Public, Exempt: true, Socket: done})
	const key = "Bearer LEAKMARKER-admin"
	for _, c := range []struct {
		path, origin, auth, cookie string
		status                     int
	}{
		{"/ws", "", key, "", 101},
		{"/ws", "http://" + f.addr, key, "", 101},
		{"/ws", "http://localhost:3000", key, "", 101},
		{"/ws", "http://localhost:8080", key, "", 403},
		{"/ws", "http://evil.example", key, "", 403},
		{"/ws", "null", key, "", 403},
		{"/ws", "http://" + f.addr, "", "LEAKMARKER-admin", 101},
		{"/ws", "http://evil.example", "", "LEAKMARKER-admin", 403},
		{"/ws?ticket=LEAKMARKER-admin", "http://localhost:3000", "", "", 101},
		{"/ws?ticket=garbage", "", "", "", 401},
		{"/k/LEAKMARKER-admin/ws/", "", "", "", 101},
		{"/ws", "", "", "", 401},
		{"/open", "", "", "", 101},
		{"/open", "http://localhost:3000", "", "", 101},
		{"/open", "http://evil.example", "", "", 403},
		{"/open", "", "Bearer garbage", "", 401},
		{"/agent", "", "", "", 101},
		{"/agent", "http://" + f.addr, "", "", 403},
		{"/nothing", "", key, "", 404},
	} {
		header := http.Header{}
		for name, value := range map[string]string{"Origin": c.origin, "Authorization": c.auth} {
			if value != "" {
				header.Set(name, value)
			}
		}
		if c.cookie != "" {
			header.Set("Cookie", "session="+c.cookie)
		}
		_, resp, err := f.websocket(c.path, header)
		if resp == nil || resp.StatusCode != c.status {
			t.Errorf("%+v: %v %v", c, resp, err)
		}
	}
	c, _, err := f.websocket("/ws", http.Header{"Subprotocols": {"corral.v1", "bearer.LEAKMARKER-reader"}})
	if err != nil || c.Subprotocol() != "corral.v1" {
		t.Errorf("with a key as subprotocol: %v", err)
	}
}

// Whatever Origin and Host say, a page is the server's own only under a name
// that can't be anybody else's.
func FuzzViewBrowser(f *testing.F) {
	f.Add("http://evil.example", "evil.example")
	f.Add("http://127.0.0.1:1", "127.0.0.1:1")
	f.Add("http://[::1]", "[::1]:80")
	f.Add("null", "localhost.")
	f.Fuzz(func(t *testing.T, origin, host string) {
		v := viewBrowser(origin, host, "", []string{"corral-host"}, []string{"http://localhost:3000"})
		if v.standing != originOwn {
			return
		}
		name, _ := splitHost(host)
		if !isOwnHost(name, []string{"corral-host"}) || !strings.HasPrefix(strings.ToLower(origin), "http") {
			t.Fatalf("%q is the own origin of %q", origin, host)
		}
	})
}
