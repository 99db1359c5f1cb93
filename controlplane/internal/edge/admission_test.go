package edge

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Every permission against every sort of credentials.
func TestPermissions(t *testing.T) {
	var routes []Route
	for p := Public; p <= Administer; p++ {
		routes = append(routes, Route{Method: "GET", Path: "/" + p.String(), Permission: p, Handler: echo})
	}
	f := start(t, Snapshot{}, routes...)
	callers := map[string]Permission{ // the strongest route that answers
		"": Public, "Authorization: Bearer garbage": Public, "Authorization: Basic LEAKMARKER-admin": Public,
		"Authorization: Bearer LEAKMARKER-reader": Read, "x-api-key: LEAKMARKER-reader": Read,
		"authorization: bearer LEAKMARKER-operator": Operate, "Cookie: session=LEAKMARKER-operator": Operate,
		"Cookie: other=LEAKMARKER-operator": Public, "Authorization: Bearer LEAKMARKER-admin": Administer,
	}
	for line, strongest := range callers {
		for _, r := range f.router.Routes() {
			lines := []string{"X: y"}
			if line != "" {
				lines = append(lines, line)
			}
			status, header, body := f.raw(head("GET", r.Path, f.addr, lines...))
			want := 200
			switch {
			case r.Permission > strongest && strongest == Public:
				want = 401
			case r.Permission > strongest:
				want = 403
			}
			if status != want || (want == 401) != (header.Get("WWW-Authenticate") != "") {
				t.Errorf("%s with %q: %d %s, want %d", r.Path, line, status, body, want)
			}
			if role := r.Permission.role(); want == 403 && !strings.Contains(body, "takes one with the role "+role) {
				t.Errorf("%s with %q does not say that it takes the role %s: %s", r.Path, line, role, body)
			}
		}
	}
	f.keys.anonymous.Store(uint32(Infer))
	if status, _, _ := f.raw(head("GET", "/infer", f.addr)); status != 200 {
		t.Errorf("an anonymous caller at its role: %d", status)
	}
	if status, _, body := f.raw(head("GET", "/operate", f.addr)); status != 401 {
		t.Errorf("an anonymous caller above its role: %d %s", status, body)
	}
}

func TestDialects(t *testing.T) {
	failing := func(_ context.Context, r *Request) (*Response, error) {
		switch r.Param("id") {
		case "missing":
			return nil, fault.New(fault.NotFound, "no model")
		case "away":
			return nil, fault.New(fault.Unavailable, "no host")
		}
		return nil, errors.New("the secret cause")
	}
	f := start(t, Snapshot{},
		Route{Method: "GET", Path: "/d/{id}", Permission: Read, Handler: failing},
		Route{Method: "GET", Path: "/o/{id}", Permission: Read, Dialect: Ollama, Handler: failing},
		Route{Method: "GET", Path: "/v1/{id}", Permission: Read, Dialect: OpenAI, Handler: failing},
		Route{Method: "GET", Path: "/v1/messages/{id}", Permission: Read, Dialect: Anthropic, Handler: failing})
	for path, want := range map[string]string{
		"/d/missing":           `404 {"code":"not_found","error":"no model"}`,
		"/o/missing":           `404 {"error":"no model"}`,
		"/v1/missing":          `404 {"error":{"code":"not_found","message":"no model","param":null,"type":"not_found_error"}}`,
		"/v1/messages/missing": `404 {"error":{"message":"no model","type":"not_found_error"},"type":"error"}`,
		"/d/away":              `503 {"code":"unavailable","error":"no host"}`,
		"/v1/broken":           `500 {"error":{"code":"internal","message":"something went wrong inside the server; its log has the cause","param":null,"type":"api_error"}}`,
		"/v1/nothing/at/all":   `404 {"error":{"code":"not_found","message":"there is nothing at /v1/nothing/at/all","param":null,"type":"not_found_error"}}`,
		"/nothing":             `404 {"code":"not_found","error":"there is nothing at /nothing"}`,
	} {
		status, header, body := f.get(path)
		got := strings.Join([]string{itoa(status), body}, " ")
		if got != want {
			t.Errorf("%s: %s\nwant %s", path, got, want)
		}
		if status == 503 && header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", path)
		}
	}
	if n := strings.Count(f.log.String(), "the secret cause"); n != 1 {
		t.Errorf("the cause was logged %d times, want once:\n%s", n, f.log)
	}
	if _, _, body := f.raw(head("GET", "/v1/x", f.addr)); !strings.Contains(body, "invalid_api_key") {
		t.Errorf("401 in OpenAI's dialect: %s", body)
	}
	status, header, _ := f.raw(head("GET", "/o/x", f.addr, "Authorization: Bearer LEAKMARKER-busy"))
	if status != 429 || header.Get("Retry-After") != "7" {
		t.Errorf("too many requests: %d %v", status, header)
	}
}

func itoa(n int) string {
	return string(rune('0'+n/100)) + string(rune('0'+n/10%10)) + string(rune('0'+n%10))
}

func TestStatusOfEveryKind(t *testing.T) {
	want := map[fault.Kind]int{
		fault.Internal: 500, fault.Invalid: 400, fault.Unauthenticated: 401, fault.Forbidden: 403, fault.NotFound: 404,
		fault.Conflict: 409, fault.TooLarge: 413, fault.RateLimited: 429, fault.NotImplemented: 501, fault.Unavailable: 503,
		fault.Timeout: 504, fault.NoSpace: 507, fault.Canceled: 499, fault.Corrupt: 500,
	}
	for _, k := range fault.Kinds() {
		if got := StatusOf(fault.New(k, "x")); got != want[k] || got == 0 {
			t.Errorf("StatusOf(%v) = %d, want %d", k, got, want[k])
		}
	}
	for kind, status := range map[fault.Kind]int{fault.Timeout: 408, fault.Corrupt: 400} {
		if got := StatusOf(fault.New(kind, "x").On(fault.Caller)); got != status {
			t.Errorf("StatusOf(%v of the caller) = %d, want %d", kind, got, status)
		}
	}
}

func TestMethods(t *testing.T) {
	f := start(t, Snapshot{},
		Route{Method: "GET", Path: "/", Permission: Public, Handler: echo},
		Route{Method: "POST", Path: "/x/{id}", Permission: Public, Handler: echo},
		Route{Path: "/ws", Permission: Public, Socket: func(context.Context, *Request, *Socket) error { return nil }})
	if status, _, body := f.raw(head("HEAD", "/k/garbage/", f.addr)); status != 200 || body != "" {
		t.Errorf("HEAD /: %d %q, want what Ollama's clients ask for first", status, body)
	}
	status, header, _ := f.raw(head("DELETE", "/x/1", f.addr))
	if status != 405 || header.Get("Allow") != "OPTIONS, POST" {
		t.Errorf("wrong method: %d, Allow %q", status, header.Get("Allow"))
	}
	if status, _, _ := f.raw(head("GET", "/ws", f.addr)); status != 426 {
		t.Errorf("a plain GET of a WebSocket: %d, want 426", status)
	}
}

func TestURLKeyIsStripped(t *testing.T) {
	f := start(t, Snapshot{}, Route{Method: "GET", Path: "/x/{id}", Permission: Read, Handler: echo})
	_, _, body := f.raw(head("GET", "/k/LEAKMARKER-reader/x/library%2Fqwen:7b?a=b", "name.example"))
	got := decode(t, body)
	if got["path"] != "/x/library%2Fqwen:7b" || got["id"] != "library/qwen:7b" || got["caller"] != "reader" || got["query"] != "a=b" {
		t.Errorf("the handler saw %v", got)
	}
}

func TestRequestOutlivesItsConnection(t *testing.T) {
	kept := make(chan *Request, 100)
	f := start(t, Snapshot{}, Route{Method: "POST", Path: "/x/{id}", Permission: Read, Handler: func(_ context.Context, r *Request) (*Response, error) {
		kept <- r
		return Text(200, "ok"), nil
	}})
	c := f.dial()
	post := func(id string) {
		request := head("POST", "/x/"+id+"?q="+id, f.addr, "Authorization: Bearer LEAKMARKER-admin", "X-Tenant: "+id, "Content-Length: 8") + id
		if status, _, _ := exchange(t, c, request); status != 200 {
			t.Fatalf("status %d", status)
		}
	}
	post("tenant-a")
	first := <-kept
	for range 50 {
		post("TENANT-B")
	}
	got := strings.Join([]string{first.Path, first.Param("id"), first.Query.Get("q"), first.Header("x-tenant"), string(first.Body), first.Header("Authorization")}, " ")
	if want := "/x/tenant-a tenant-a tenant-a tenant-a tenant-a "; got != want {
		t.Errorf("the kept request reads %q, want %q", got, want)
	}
}

func TestAllowedIPs(t *testing.T) {
	p := Snapshot{AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("2001:db8::/32")}}
	for addr, want := range map[string]bool{
		"10.1.2.3": true, "10.2.0.1": false, "127.0.0.1": true, "127.8.8.8": true, "::1": true, "2001:db8::1": true,
		"2001:db9::1": false, "192.0.2.1": false,
	} {
		if got := p.allows(netip.MustParseAddr(addr)); got != want {
			t.Errorf("allows(%s) = %v", addr, got)
		}
	}
	if (&Snapshot{}).allows(netip.MustParseAddr("192.0.2.1")) != true {
		t.Error("an empty list does not allow all")
	}
	if got := addrOf(fakeAddr("::ffff:10.1.2.3")); got != netip.MustParseAddr("10.1.2.3") {
		t.Errorf("a mapped address is %v", got)
	}
}

func TestMaxConnections(t *testing.T) {
	f := start(t, Snapshot{MaxConnections: 2},
		Route{Method: "GET", Path: "/x", Permission: Public, Handler: echo},
		Route{Method: "GET", Path: "/agent", Permission: Public, Exempt: true, Handler: echo},
		Route{Path: "/ws", Permission: Public, Socket: func(_ context.Context, _ *Request, s *Socket) error {
			_, _, err := s.Receive()
			return err
		}})
	kept := f.dial()
	if status, _, _ := exchange(t, kept, head("GET", "/x", "h")); status != 200 {
		t.Fatalf("status %d below the limit", status)
	}
	f.mustWebsocket("/ws") // counts like any other
	over := f.dial()
	status, header, _ := exchange(t, over, head("GET", "/x", "h"))
	if status != 503 || header.Get("Retry-After") == "" {
		t.Errorf("over the limit: %d %v", status, header)
	}
	if _, err := over.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a connection over the limit was kept: %v", err)
	}
	agent := f.dial()
	if status, _, _ := exchange(t, agent, head("GET", "/agent", "h")); status != 200 {
		t.Errorf("an agent over the limit: %d", status)
	}
	kept.Close()
	eventually(t, func() bool {
		status, _, _ := f.raw(head("GET", "/x", "h"))
		return status == 200
	})
}

// eventually waits for what no event tells of.
func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatal("it never came to hold")
		}
		time.Sleep(5 * time.Millisecond)
	}
}
