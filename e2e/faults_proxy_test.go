package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// way is a TCP proxy between an agent and its Ollama that can be slow, lead
// elsewhere, or be cut.
type way struct {
	listener net.Listener
	chats    atomic.Int64 // requests for a chat that went through
	posts    atomic.Int64 // requests by POST that went through
	answers  atomic.Int64 // streams of an Ollama's lines that began

	mu    sync.Mutex
	to    string        // address; empty while it is cut
	delay time.Duration // before each piece of an answer
	turn  chan struct{} // closed when it leads otherwise
	conns map[net.Conn]bool

	running sync.WaitGroup
}

// newWay leads from the listener to the server at a URL until the end of the test.
func newWay(t *testing.T, listener net.Listener, server string) *way {
	t.Helper()
	w := &way{listener: listener, to: address(server), turn: make(chan struct{}), conns: map[net.Conn]bool{}}
	w.running.Go(w.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		w.lead("", 0)
		w.running.Wait()
	})
	return w
}

func address(server string) string { return strings.TrimPrefix(server, "http://") }

func (w *way) url() string { return "http://" + w.listener.Addr().String() }

// lead has connections go to an address, with a delay. Those that go elsewhere,
// or nowhere, are broken.
func (w *way) lead(to string, delay time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if to != w.to {
		for conn := range w.conns {
			_ = conn.Close()
		}
	}
	w.to, w.delay = to, delay
	close(w.turn)
	w.turn = make(chan struct{})
}

func (w *way) accept() {
	for {
		conn, err := w.listener.Accept()
		if err != nil {
			return // closed, at the end of the test
		}
		w.running.Go(func() { w.join(conn) })
	}
}

// join carries bytes in both directions until one of them ends.
func (w *way) join(near net.Conn) {
	defer near.Close()
	w.mu.Lock()
	to := w.to
	w.mu.Unlock()
	if to == "" {
		return
	}
	far, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer far.Close()
	if !w.keep(to, near, far) {
		return
	}
	defer w.drop(near, far)
	var there sync.WaitGroup
	there.Go(func() {
		defer far.Close()
		counted := io.MultiWriter(far, &counter{text: "POST /api/chat HTTP/1.1", into: &w.chats}, &counter{text: "POST /", into: &w.posts})
		_, _ = io.Copy(counted, near)
	})
	answers := &counter{text: "\r\nContent-Type: application/x-ndjson", into: &w.answers}
	_, _ = io.Copy(slowly{w, io.MultiWriter(near, answers)}, far)
	_ = near.Close()
	there.Wait()
}

// keep notes the connections, unless they lead where the way no longer does.
func (w *way) keep(to string, conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if to != w.to {
		return false
	}
	for _, conn := range conns {
		w.conns[conn] = true
	}
	return true
}

func (w *way) drop(conns ...net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, conn := range conns {
		delete(w.conns, conn)
	}
}

// listen listens on a free port of loopback.
func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// slowly writes with the way's delay, as long as the way has it.
type slowly struct {
	way *way
	to  io.Writer
}

func (s slowly) Write(p []byte) (int, error) {
	s.way.mu.Lock()
	delay, turn := s.way.delay, s.way.turn
	s.way.mu.Unlock()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-turn:
		}
	}
	return s.to.Write(p)
}

// counter counts how often a text is in what is written to it.
type counter struct {
	text string
	into *atomic.Int64
	tail []byte
}

func (c *counter) Write(p []byte) (int, error) {
	seen := append(c.tail, p...)
	c.into.Add(int64(bytes.Count(seen, []byte(c.text))))
	c.tail = bytes.Clone(seen[max(0, len(seen)-len(c.text)+1):])
	return len(p), nil
}

// newGarbler starts a server that passes for the Ollama at a URL until it is
// asked for a chat. What it answers then is wrong, each time in another way.
func newGarbler(t *testing.T, server string) string {
	t.Helper()
	behind, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	honest := httputil.NewSingleHostReverseProxy(behind)
	honest.Transport = &http.Transport{DisableKeepAlives: true} // none is to outlive the test
	var turn atomic.Int64
	mux := http.NewServeMux()
	mux.Handle("/", honest)
	mux.HandleFunc("POST /api/chat", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch turn.Add(1) % 5 {
		case 0: // no HTTP at all
			hijack(w, "\x00\x16\xff\xfe garbage garbage\r\n\r\n")
		case 1: // lines that are no JSON, and no end
			w.Header().Set("Content-Type", "application/x-ndjson")
			fmt.Fprint(w, "garbage\n\xff\xfe\x00\n")
		case 2: // an answer of which the length is a lie
			hijack(w, "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nContent-Length: 1000\r\n\r\n{\"mess")
		case 3: // a line that is cut off
			w.Header().Set("Content-Type", "application/x-ndjson")
			fmt.Fprint(w, `{"message":{"role":"assistant","content":"`)
		case 4: // a failure without words
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	listener := listen(t)
	garbler := &http.Server{Handler: mux}
	var serving sync.WaitGroup
	serving.Go(func() { _ = garbler.Serve(listener) })
	t.Cleanup(func() {
		_ = garbler.Close()
		serving.Wait()
	})
	return "http://" + listener.Addr().String()
}

// hijack writes bytes in place of an answer and closes the connection.
func hijack(w http.ResponseWriter, text string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_, _ = io.WriteString(conn, text)
	_ = conn.Close()
}
