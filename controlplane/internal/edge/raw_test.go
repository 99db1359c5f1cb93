package edge

import (
	"bufio"
	"io"
	"strings"
	"testing"
)

// What proxies and servers disagree about must have one meaning here, or none.
func TestRawRequests(t *testing.T) {
	f := start(t, Snapshot{},
		Route{Method: "GET", Path: "/p/{rest...}", Permission: Public, Handler: echo},
		Route{Method: "POST", Path: "/p/{rest...}", Permission: Public, Handler: echo})
	const host, js = "Host: 127.0.0.1\r\n", "Content-Type: application/json\r\n"
	for _, c := range []struct {
		name, raw string
		status    int
		body      string // a part of it
	}{
		{"plain", "GET /p/a HTTP/1.1\r\n" + host + "\r\n", 200, `"path":"/p/a"`},
		{"two Content-Lengths", "POST /p HTTP/1.1\r\n" + host + js + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400, `"invalid"`},
		{"Transfer-Encoding on HTTP/1.0", "POST /p HTTP/1.0\r\n" + host + js + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, `"invalid"`},
		{"xchunked", "POST /p HTTP/1.1\r\n" + host + js + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400, `"invalid"`},
		{"plus in Content-Length", "POST /p HTTP/1.1\r\n" + host + js + "Content-Length: +2\r\n\r\n{}", 400, `"invalid"`},
		{"Content-Length overflow", "POST /p HTTP/1.1\r\n" + host + js + "Content-Length: 99999999999999999999\r\n\r\n{}", 400, `"invalid"`},
		{"two Hosts", "GET /p HTTP/1.1\r\n" + host + "Host: other\r\n\r\n", 400, `"invalid"`},
		{"no Host", "GET /p HTTP/1.1\r\n\r\n", 400, `"invalid"`},
		{"space before colon", "GET /p HTTP/1.1\r\n" + host + "X : y\r\n\r\n", 400, `"invalid"`},
		{"LF in chunk extension", "POST /p HTTP/1.1\r\n" + host + js + "Transfer-Encoding: chunked\r\n\r\n2;x\ny\r\n{}\r\n0\r\n\r\n", 400, `"invalid"`},
		{"LF-only chunks", "POST /p HTTP/1.1\r\n" + host + js + "Transfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n", 400, `"invalid"`},
		{"obs-fold", "GET /p/a HTTP/1.1\r\n" + host + "X-A: b\r\n c\r\n\r\n", 200, `"path":"/p/a"`},
		{"body on GET", "GET /p/a HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc", 200, `"body":"abc"`},
		{"both lengths", "POST /p HTTP/1.1\r\n" + host + js + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 200, `"body":"{}"`},
		{"encoded dots", "GET /p/a/%2e%2e/%2e%2e/etc HTTP/1.1\r\n" + host + "\r\n", 400, `dot segment`},
		{"double slashes", "GET //p//x HTTP/1.1\r\n" + host + "\r\n", 200, `"path":"/p/x"`},
		{"encoded slashes", "GET /p/a%2fb/..%2fc HTTP/1.1\r\n" + host + "\r\n", 200, `"path":"/p/a%2Fb/..%2Fc"`},
		{"NUL in path", "GET /p/%00 HTTP/1.1\r\n" + host + "\r\n", 400, `not text`},
		{"another authority", "GET http://evil/p HTTP/1.1\r\n" + host + "\r\n", 400, `different servers`},
		{"no HTTP", "SSH-2.0-OpenSSH\r\n\r\n", 400, `"invalid"`},
	} {
		status, header, body := f.raw(c.raw)
		if status != c.status || !strings.Contains(body, c.body) {
			t.Errorf("%s: %d %s, want %d with %s", c.name, status, body, c.status, c.body)
		}
		if status != 0 && header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: the answer lacks the sane header", c.name)
		}
	}
}

// A request that is refused ends its connection, so that what follows it can't
// be taken for the next one.
func TestNothingIsReadAfterARefusal(t *testing.T) {
	f := start(t, Snapshot{}, Route{Method: "POST", Path: "/p", Permission: Public, Handler: echo})
	smuggled := "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxGET /p HTTP/1.1\r\nHost: h\r\n\r\n"
	c := f.dial()
	io.WriteString(c, smuggled)
	r := bufio.NewReader(c)
	if status, _, _ := answer(t, r, smuggled); status != 400 {
		t.Fatalf("status %d, want 400", status)
	}
	if rest, _ := io.ReadAll(r); len(rest) != 0 {
		t.Errorf("a second answer followed: %q", rest)
	}
}

func TestHugeHeadIs431(t *testing.T) {
	f := start(t, Snapshot{}, Route{Method: "GET", Path: "/p", Permission: Public, Handler: echo})
	c := f.dial()
	go func() {
		io.WriteString(c, "GET /p HTTP/1.1\r\nHost: h\r\n")
		line := "X-Filler: " + strings.Repeat("x", 1000) + "\r\n"
		for range 10 << 10 { // about 10 MB
			if _, err := io.WriteString(c, line); err != nil {
				return
			}
		}
	}()
	status, _, body := answer(t, bufio.NewReader(c), "GET")
	if status != 431 || !strings.Contains(body, `"too_large"`) {
		t.Errorf("%d %s, want 431", status, body)
	}
}

// Encodings of a protected path are refused like the path itself or are not it.
func TestPathTricksDontLoseThePermission(t *testing.T) {
	f := start(t, Snapshot{},
		Route{Method: "GET", Path: "/public/{rest...}", Permission: Public, Handler: echo},
		Route{Method: "GET", Path: "/admin/keys", Permission: Administer, Handler: echo})
	for _, path := range []string{
		"/admin/keys", "//admin//keys", "/admin/keys/", "/%61dmin/keys", "/admin/%6beys", "/admin%2fkeys",
		"/public/../admin/keys", "/public/%2e%2e/admin/keys", "/public/..%2fadmin/keys", "/./admin/keys",
		"/k/x/admin/keys", "/public/..;/admin/keys", "http://127.0.0.1/admin/keys", "/admin/keys?x=/public/",
	} {
		status, _, body := f.raw(head("GET", path, "127.0.0.1"))
		if status == 200 && decode(t, body)["path"] == "/admin/keys" || status == 0 {
			t.Errorf("%s: %d %s", path, status, body)
		}
		public := strings.HasPrefix(path, "/public/..%2f") || strings.HasPrefix(path, "/public/..;")
		if (status == 200) != public {
			t.Errorf("%s: status %d", path, status)
		}
	}
}
