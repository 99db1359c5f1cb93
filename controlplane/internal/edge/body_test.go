package edge

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

func zipped(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, s)
	z.Close()
	return b.String()
}

func chunked(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(p), p)
	}
	return b.String() + "0\r\n\r\n"
}

// counting reads a streamed body and tells how it ended.
func counting(ends chan<- error) Handler {
	return func(_ context.Context, r *Request) (*Response, error) {
		n, err := io.Copy(io.Discard, r.Stream)
		ends <- err
		if err != nil {
			return nil, err
		}
		return JSON(200, n)
	}
}

func TestBodies(t *testing.T) {
	ends := make(chan error, 100)
	f := start(t, Snapshot{},
		Route{Method: "POST", Path: "/buffered", Permission: Read, MaxBodyBytes: 1000, Handler: echo},
		Route{Method: "POST", Path: "/streamed", Permission: Read, MaxBodyBytes: 100_000, Streaming: true, Handler: counting(ends)})
	big := strings.Repeat("x", 100_000)
	for name, c := range map[string]struct {
		path, lines, body string
		status            int
		want              string
	}{
		"length":                 {"/buffered", "Content-Length: 5", "hello", 200, "hello"},
		"chunks":                 {"/buffered", "Transfer-Encoding: chunked", chunked("he", "llo"), 200, "hello"},
		"none":                   {"/buffered", "X: y", "", 200, `"body":""`},
		"at the limit":           {"/buffered", "Content-Length: 1000", big[:1000], 200, big[:1000]},
		"over by length":         {"/buffered", "Content-Length: 1001", big[:1001], 413, "too_large"},
		"over by chunks":         {"/buffered", "Transfer-Encoding: chunked", chunked(big[:600], big[:600]), 413, "too_large"},
		"gzip":                   {"/buffered", "Content-Encoding: gzip\r\nTransfer-Encoding: chunked", chunked(zipped("hello")), 200, "hello"},
		"gzip bomb":              {"/buffered", "Content-Encoding: gzip\r\nTransfer-Encoding: chunked", chunked(zipped(big)), 413, "too_large"},
		"gzip that is none":      {"/buffered", "Content-Encoding: gzip\r\nContent-Length: 5", "hello", 400, "gzip"},
		"gzip cut":               {"/buffered", "Content-Encoding: gzip\r\nTransfer-Encoding: chunked", chunked(zipped("hello")[:20]), 400, "gzip"},
		"unknown encoding":       {"/buffered", "Content-Encoding: br\r\nContent-Length: 5", "hello", 400, "br"},
		"streamed":               {"/streamed", "Content-Length: 100000", big, 200, "100000"},
		"streamed chunks":        {"/streamed", "Transfer-Encoding: chunked", chunked(big[:50_000], big[:50_000]), 200, "100000"},
		"streamed, none":         {"/streamed", "X: y", "", 200, "0"},
		"streamed, over":         {"/streamed", "Transfer-Encoding: chunked", chunked(big, "x"), 413, "too_large"},
		"streamed, gzip refused": {"/streamed", "Content-Encoding: gzip\r\nContent-Length: 5", "hello", 400, "gzip"},
	} {
		request := head("POST", c.path, f.addr, "Authorization: Bearer LEAKMARKER-admin", c.lines) + c.body
		status, _, body := f.raw(request)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %.100s, want %d with %.20s", name, status, body, c.status, c.want)
		}
	}
}

// A client that leaves in the middle must not look like the end of its body.
func TestCutBodyIsAnError(t *testing.T) {
	ends := make(chan error, 1)
	f := start(t, Snapshot{}, Route{Method: "POST", Path: "/s", Permission: Read, Streaming: true, Handler: counting(ends)})
	for _, c := range []struct{ name, lines, body string }{
		{"length", "Content-Length: 100", "half"},
		{"at a chunk's end", "Transfer-Encoding: chunked", "4\r\nhalf\r\n"},
		{"in a chunk", "Transfer-Encoding: chunked", "40\r\nhalf"},
		{"before the last line", "Transfer-Encoding: chunked", "4\r\nhalf\r\n0\r\n"},
	} {
		for _, dial := range []func() net.Conn{f.dial, f.dialTLS} {
			conn := dial()
			io.WriteString(conn, head("POST", "/s", f.addr, "Authorization: Bearer LEAKMARKER-admin", c.lines)+c.body)
			conn.(interface{ CloseWrite() error }).CloseWrite()
			if err := await(t, ends, "the end of the body"); fault.KindOf(err) != fault.Invalid {
				t.Errorf("%s: the body ended with %v", c.name, err)
			}
			conn.Close()
		}
	}
}

// The answer to an upload that is refused arrives although the client is still
// sending, as with a browser.
func TestRefusedUploadSeesIts413(t *testing.T) {
	f := start(t, Snapshot{}, Route{Method: "POST", Path: "/s", Permission: Read, MaxBodyBytes: 1000, Streaming: true, Handler: counting(make(chan error, 9))})
	for _, key := range []string{"LEAKMARKER-admin", "garbage"} {
		for _, length := range []int64{20 << 20, -1} {
			want := map[string]int{"LEAKMARKER-admin": 413, "garbage": 401}[key]
			request, _ := http.NewRequest("POST", "http://"+f.addr+"/s", io.LimitReader(zeros{}, 20<<20))
			request.ContentLength = length
			request.Header.Set("Authorization", "Bearer "+key)
			resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
			if err != nil {
				t.Errorf("length %d: %v, want %d", length, err, want)
				continue
			}
			if resp.StatusCode != want {
				t.Errorf("length %d: %d, want %d", length, resp.StatusCode, want)
			}
			resp.Body.Close()
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestExpectContinue(t *testing.T) {
	f := start(t, Snapshot{}, Route{Method: "POST", Path: "/s", Permission: Read, MaxBodyBytes: 10, Handler: echo})
	ask := func(key string, length int) (net.Conn, *bufio.Reader) {
		c := f.dial()
		io.WriteString(c, head("POST", "/s", f.addr, "Authorization: Bearer "+key, fmt.Sprint("Content-Length: ", length), "Expect: 100-continue"))
		return c, bufio.NewReader(c)
	}
	c, r := ask("LEAKMARKER-admin", 5)
	if line, _ := r.ReadString('\n'); !strings.Contains(line, "100 Continue") {
		t.Fatalf("the server said %q", line)
	}
	if line, err := r.ReadString('\n'); line != "\r\n" || err != nil {
		t.Fatalf("the interim answer goes on with %q, %v", line, err)
	}
	io.WriteString(c, "hello"+head("POST", "/s", f.addr)) // and a second request, without a key
	if status, _, body := answer(t, r, "POST"); status != 200 || !strings.Contains(body, "hello") {
		t.Errorf("%d %s", status, body)
	}
	if status, _, body := answer(t, r, "POST"); status != 401 {
		t.Errorf("the next request on the connection: %d %s", status, body)
	}
	for key, want := range map[string]int{"LEAKMARKER-admin": 413, "garbage": 401} {
		_, r := ask(key, 1000)
		if status, _, body := answer(t, r, "POST"); status != want || !strings.Contains(body, `"code"`) {
			t.Errorf("%d %s, want %d before the body", status, body, want)
		}
	}
}

func TestSlowClients(t *testing.T) {
	f := start(t, Snapshot{ProgressTimeout: 300 * time.Millisecond},
		Route{Method: "POST", Path: "/b", Permission: Public, Handler: echo},
		Route{Method: "POST", Path: "/s", Permission: Read, Streaming: true, Handler: counting(make(chan error, 9))})
	const js = "Content-Type: application/json"
	for name, request := range map[string]string{
		"half a head":         "POST /b HTTP/1.1\r\nHost: h\r\n",
		"a body never sent":   head("POST", "/b", "h", js, "Content-Length: 10"),
		"a body half sent":    head("POST", "/b", "h", js, "Content-Length: 10") + "half",
		"a streamed body cut": head("POST", "/s", "h", "Authorization: Bearer LEAKMARKER-admin", "Content-Length: 10") + "half",
		"chunks never sent":   head("POST", "/b", "h", js, "Transfer-Encoding: chunked"),
	} {
		began := time.Now()
		status, _, body := f.raw(request)
		if status != 408 || !strings.Contains(body, `"timeout"`) || time.Since(began) > 5*time.Second {
			t.Errorf("%s: %d %s after %v, want 408", name, status, body, time.Since(began))
		}
	}
	// A head that arrives in drops has one deadline for all of it.
	c, began := f.dial(), time.Now()
	for drop := range strings.SplitSeq("GET /b HTTP/1.1.\r\n.Host: h.\r\n.X: 1.\r\n.X: 2.\r\n.X: 3.\r\n.X: 4.\r\n", ".") {
		if _, err := io.WriteString(c, drop); err != nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if answer, err := io.ReadAll(c); err != nil {
		t.Errorf("a trickling head was answered with %q, %v", answer, err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("a trickling head held its connection for %v", took)
	}
}

// Uploads and downloads take as long as they need while they move.
func TestProgressKeepsTransfersAlive(t *testing.T) {
	ends := make(chan error, 1)
	f := start(t, Snapshot{ProgressTimeout: 250 * time.Millisecond},
		Route{Method: "POST", Path: "/up", Permission: Read, Streaming: true, Handler: counting(ends)},
		Route{Method: "GET", Path: "/down", Permission: Read, Handler: func(ctx context.Context, _ *Request) (*Response, error) {
			s := newTrickle(ctx)
			go func() {
				defer close(s.pieces)
				for range 8 {
					time.Sleep(100 * time.Millisecond)
					s.pieces <- "piece"
				}
			}()
			return &Response{Stream: s}, nil
		}})
	c := f.dial()
	io.WriteString(c, head("POST", "/up", f.addr, "Authorization: Bearer LEAKMARKER-admin", "Content-Length: 8"))
	for range 8 {
		time.Sleep(100 * time.Millisecond)
		io.WriteString(c, "x")
	}
	if status, _, body := answer(t, bufio.NewReader(c), "POST"); status != 200 || body != "8" {
		t.Errorf("a slow upload: %d %s", status, body)
	}
	if status, _, body := f.get("/down"); status != 200 || body != strings.Repeat("piece", 8) {
		t.Errorf("a slow download: %d %q", status, body)
	}
}

func TestBodyEndsWithItsExchange(t *testing.T) {
	streams := make(chan io.Reader, 1)
	f := start(t, Snapshot{}, Route{Method: "POST", Path: "/s", Permission: Read, Streaming: true, Handler: func(_ context.Context, r *Request) (*Response, error) {
		streams <- r.Stream
		return Text(200, "ok"), nil
	}})
	f.raw(head("POST", "/s", f.addr, "Authorization: Bearer LEAKMARKER-admin", "Content-Length: 5") + "hello")
	kept := <-streams
	eventually(t, func() bool {
		_, err := kept.Read(make([]byte, 1))
		return errors.Is(err, errEnded)
	})
}

// A body that stands still can be broken off by another goroutine. The client hears
// why, and a late call doesn't reach the next request of a connection.
func TestBodiesCanBeBrokenOff(t *testing.T) {
	requests := make(chan *Request, 1)
	why := fault.New(fault.Conflict, "somebody else came")
	f := start(t, Snapshot{}, Route{Method: "POST", Path: "/s", Permission: Read, Streaming: true, Handler: func(_ context.Context, r *Request) (*Response, error) {
		requests <- r
		n, err := io.Copy(io.Discard, r.Stream)
		if err != nil {
			return nil, err
		}
		return JSON(200, n)
	}})
	c := f.dial()
	io.WriteString(c, head("POST", "/s", f.addr, "Authorization: Bearer LEAKMARKER-admin", "Content-Length: 8")+"half")
	(<-requests).Break(why)
	if status, _, body := answer(t, bufio.NewReader(c), "POST"); status != 409 || !strings.Contains(body, "somebody else came") {
		t.Errorf("%d %s", status, body)
	}
	c = f.dial()
	in := bufio.NewReader(c)
	for range 3 {
		io.WriteString(c, head("POST", "/s", f.addr, "Authorization: Bearer LEAKMARKER-admin", "Content-Length: 4")+"full")
		if status, _, body := answer(t, in, "POST"); status != 200 || body != "4" {
			t.Errorf("%d %s", status, body)
		}
		(<-requests).Break(why)
	}
}
