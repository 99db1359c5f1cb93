package exchange

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
)

// recording is a connection whose other side says all at once and ends.
type recording struct {
	net.Conn // nil; nothing else is called
	in       *bytes.Reader

	mu     sync.Mutex
	out    bytes.Buffer
	closed bool
}

func (r *recording) Read(p []byte) (int, error) { return r.in.Read(p) }

func (r *recording) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return 0, net.ErrClosed
	}
	return r.out.Write(p)
}

func (r *recording) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return nil
}

// FuzzServe holds that whatever comes in, Serve ends, what goes out are whole
// answers, and a request that net/http understands as well is understood alike:
// two readers of one connection that see different requests in it are how
// requests are smuggled.
func FuzzServe(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: h\r\n\r\n"))
	f.Add([]byte("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcPOST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))
	f.Add([]byte("HEAD / HTTP/1.0\r\nConnection: close\r\n\r\n"))
	f.Add([]byte("POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\nabc"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		type seen struct{ method, target, body string }
		var first *seen
		var whole []string // methods of the requests that were answered
		conn := &recording{in: bytes.NewReader(raw)}
		served := Serve(context.Background(), conn, func(ctx context.Context, in *Incoming, out *Reply) error {
			body, err := io.ReadAll(in.Body)
			if err != nil {
				return err
			}
			if first == nil {
				first = &seen{in.Method, in.Target, string(body)}
			}
			err = out.Send(200, nil, body)
			if err == nil {
				whole = append(whole, in.Method)
			}
			return err
		})
		if !conn.closed {
			t.Fatalf("Serve returned %v and left the connection open", served)
		}
		out := bufio.NewReader(&conn.out)
		for _, method := range whole {
			res, err := http.ReadResponse(out, &http.Request{Method: method})
			if err != nil {
				t.Fatalf("an answer cannot be read: %v", err)
			}
			if _, err := io.Copy(io.Discard, res.Body); err != nil {
				t.Fatalf("an answer is not whole: %v", err)
			}
		}
		if first == nil {
			return
		}
		theirs, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			return
		}
		body, err := io.ReadAll(theirs.Body)
		if err != nil {
			return
		}
		if first.method != theirs.Method || first.target != theirs.RequestURI || first.body != string(body) {
			t.Fatalf("seen as %+v, by net/http as %s %q with %q", *first, theirs.Method, theirs.RequestURI, body)
		}
	})
}
