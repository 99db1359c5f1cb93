package exchange

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// hidden keeps a reader's other methods, and with them its length, from view.
type hidden struct{ io.Reader }

// sizes are of bodies: none, small, about as large as what is read ahead, and
// larger than any buffer on the way.
var sizes = [...]int{0, 1, 100, firstWrite - 1, firstWrite, smallBody, smallBody + 1, 1 << 20}

const clients, requestsEach = 32, 8

// noise makes bodies that differ, as parts of it.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(b)
	return b
}

// ask sends a body of some size to an echo and compares what comes back.
type ask func(body []byte, chunked bool) (echoed []byte, err error)

func manyAsk(t *testing.T, one ask) {
	t.Helper()
	bytesOf := noise(sizes[len(sizes)-1] + clients)
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := range requestsEach {
				body := bytesOf[c : c+sizes[(c+i)%len(sizes)]]
				got, err := one(body, i%2 == 0)
				if err != nil || !bytes.Equal(got, body) {
					t.Errorf("client %d: %d bytes came back as %d: %v", c, len(body), len(got), err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestManyOfOurClientsAgainstNetHTTP(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if r.ContentLength >= 0 {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		}
		w.Write(body)
	}))
	t.Cleanup(srv.Close)
	manyAsk(t, ourAsk(t, srv.Listener.Addr().String()))
}

func TestManyOfOurClientsAgainstOurServer(t *testing.T) {
	manyAsk(t, ourAsk(t, listen(t, echo)))
}

func ourAsk(t *testing.T, addr string) ask {
	c := NewClient(func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", addr)
	}, "stand-in", clients, time.Minute)
	t.Cleanup(func() { c.Close() })
	return func(body []byte, chunked bool) ([]byte, error) {
		req := &Request{Method: "POST", Target: "/", Body: bytes.NewReader(body), Length: int64(len(body)), Retry: true}
		if chunked {
			req.Body, req.Length, req.Retry = hidden{req.Body}, unknownLength, false
		}
		res, err := c.Do(t.Context(), req)
		if err != nil {
			return nil, err
		}
		defer res.Body.Close()
		return io.ReadAll(res.Body)
	}
}

func TestManyNetHTTPClientsAgainstOurServer(t *testing.T) {
	addr := listen(t, echo)
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport}
	manyAsk(t, func(body []byte, chunked bool) ([]byte, error) {
		var from io.Reader = bytes.NewReader(body)
		if chunked {
			from = hidden{from}
		}
		res, err := client.Post("http://"+addr+"/", "application/octet-stream", from)
		if err != nil {
			return nil, err
		}
		defer res.Body.Close()
		return io.ReadAll(res.Body)
	})
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	conn := dial(t, listen(t, echo))
	long := strings.Repeat("x", smallBody+1)
	io.WriteString(conn, "POST /1 HTTP/1.1\r\nContent-Length: 3\r\n\r\none"+
		"POST /2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n"+
		"GET /3 HTTP/1.1\r\n\r\n"+
		fmt.Sprintf("POST /4 HTTP/1.1\r\nContent-Length: %d\r\nConnection: keep-alive, Close\r\n\r\n%s", len(long), long))
	for i, want := range []string{"one", "two", "", long} {
		res, err := http.ReadResponse(conn.br, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		if err != nil || string(got) != want {
			t.Fatalf("answer %d: %d bytes, %v", i+1, len(got), err)
		}
		if seen := res.Header.Get("X-Seen"); !strings.HasSuffix(seen, fmt.Sprint("/", i+1)) {
			t.Fatalf("answer %d is to %q", i+1, seen)
		}
	}
	if _, err := conn.br.ReadByte(); err != io.EOF {
		t.Errorf("after a request that asked for it the connection was not closed: %v", err)
	}
}

func TestHead(t *testing.T) {
	addr := listen(t, func(ctx context.Context, in *Incoming, out *Reply) error {
		if in.Target == "/pieces" {
			out.Start(200, nil, unknownLength)
		} else {
			out.Start(200, nil, 5)
		}
		_, err := out.Write([]byte("12345"))
		return err
	})
	c, dials := clientTo(t, addr)
	for _, target := range []string{"/whole", "/pieces", "/whole"} {
		res, err := c.Do(t.Context(), &Request{Method: "HEAD", Target: target})
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(res.Body); err != nil || len(body) != 0 {
			t.Errorf("HEAD %s has the body %q, %v", target, body, err)
		}
		res.Body.Close()
		theirs, err := http.Head("http://" + addr + target)
		if err != nil {
			t.Fatal(err)
		}
		theirs.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
	if *dials != 1 {
		t.Errorf("%d connections were opened, want 1", *dials)
	}
}

func TestNoContentHasNoLength(t *testing.T) {
	conn := dial(t, listen(t, func(ctx context.Context, in *Incoming, out *Reply) error {
		return out.Send(204, nil, nil)
	}))
	io.WriteString(conn, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
	got, err := io.ReadAll(conn.br)
	if err != nil || string(got) != "HTTP/1.1 204 \r\n\r\n" {
		t.Errorf("%q, %v", got, err)
	}
}
