package edge

import (
	"context"
	"io"
	"net"
	"os"
	"runtime"
	"testing"

	"github.com/hashicorp/go-hclog"
)

// What one small request costs; the client allocates nothing.
func BenchmarkSmallRequest(b *testing.B) {
	for _, path := range []string{"/plain", "/watched", "/streamed"} {
		b.Run(path[1:], func(b *testing.B) { benchRequests(b, path) })
	}
}

func benchRequests(b *testing.B, path string) {
	router, answer := NewRouter(), []byte(`{"models":[]}`)
	plain := func(context.Context, *Request) (*Response, error) { return &Response{Body: answer}, nil }
	streamed := func(context.Context, *Request) (*Response, error) {
		return &Response{Stream: &repeated{piece: answer, left: 1}}, nil
	}
	router.Route(Route{Method: "POST", Path: "/plain", Permission: Read, Handler: plain})
	router.Route(Route{Method: "POST", Path: "/watched", Permission: Read, Watch: true, Handler: plain})
	router.Route(Route{Method: "POST", Path: "/streamed", Permission: Read, Watch: true, Handler: streamed})
	policy := &Snapshot{}
	s, err := New(Config{Authenticator: &keys{}, Policy: func() *Snapshot { return policy }, Log: hclog.NewNullLogger()}, router)
	if err != nil {
		b.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, ln) }()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	request := []byte(head("POST", path, "127.0.0.1:11435", keyed, "Content-Type: application/json",
		"User-Agent: ollama/0.17.4", "Accept: application/json", "Content-Length: 16") + `{"model":"tiny"}`)
	tail := "]}"
	if path == "/streamed" {
		tail = "0\r\n\r\n"
	}
	buf := make([]byte, 4096)
	ask := func() {
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		for n := 0; n < len(tail) || string(buf[n-len(tail):n]) != tail; {
			m, err := conn.Read(buf[n:])
			if err != nil {
				b.Fatal(err)
			}
			n += m
		}
	}
	ask()
	b.ReportAllocs()
	for b.Loop() {
		ask()
	}
	conn.Close()
	stop()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}

type repeated struct {
	piece []byte
	left  int
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	r.left--
	return copy(p, r.piece), nil
}

func (r *repeated) Close() error { return nil }

// A small request stays cheap: most of what it allocates is the copy of its
// head, which is the price of a Request that may be kept.
func TestAllocationsOfARequest(t *testing.T) {
	result := testing.Benchmark(func(b *testing.B) { benchRequests(b, "/plain") })
	t.Logf("%s %s", result, result.MemString())
	if n := result.AllocsPerOp(); n > 40 {
		t.Errorf("%d allocations for a small request", n)
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	descriptors := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	goroutines, fds := runtime.NumGoroutine(), descriptors()
	route, sockets, _ := parked()
	stream, began := streams(true)
	f := start(t, Snapshot{}, route, stream)
	for range 5 {
		f.mustWebsocket("/ws")
		await(t, sockets, "the socket")
		c := f.dialTLS()
		io.WriteString(c, head("GET", "/stream", f.addr, keyed))
		await(t, began, "the handler").pieces <- "x"
		defer c.Close()
	}
	f.shutdown()
	eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines })
	// The clients' ends are still open, the server's are not.
	eventually(t, func() bool { return descriptors() <= fds+10 })
}
