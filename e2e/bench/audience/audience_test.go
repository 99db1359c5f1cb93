package audience

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"
)

const every = 20 * time.Millisecond

// stage serves WebSockets that say what speak returns for the n-th update of
// the m-th socket, every 20 ms; an empty string ends the socket.
func stage(t *testing.T, speak func(socket, update int) string) string {
	t.Helper()
	upgrader := websocket.FastHTTPUpgrader{Subprotocols: []string{subprotocol}}
	var mu sync.Mutex
	opened := 0
	var sockets sync.WaitGroup
	stop := make(chan struct{})
	srv := &fasthttp.Server{Handler: func(rc *fasthttp.RequestCtx) {
		if offered := string(rc.Request.Header.Peek("Sec-WebSocket-Protocol")); offered != subprotocol+", bearer.crl_k" {
			rc.Error("who are you?", http.StatusUnauthorized)
			return
		}
		mu.Lock()
		socket := opened
		opened++
		mu.Unlock()
		sockets.Add(1)
		err := upgrader.Upgrade(rc, func(conn *websocket.Conn) {
			defer sockets.Done()
			tick := time.NewTicker(every)
			defer tick.Stop()
			for update := 0; ; update++ {
				text := speak(socket, update)
				if text == "" || conn.WriteMessage(websocket.TextMessage, []byte(text)) != nil {
					return
				}
				select {
				case <-tick.C:
				case <-stop:
					return
				}
			}
		})
		if err != nil {
			sockets.Done()
			t.Error(err)
		}
	}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	t.Cleanup(func() {
		close(stop)
		sockets.Wait()
		if err := srv.Shutdown(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return "http://" + ln.Addr().String()
}

func open(t *testing.T, url string, count int) *Audience {
	t.Helper()
	a, err := Open(t.Context(), url, "crl_k", count)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func update(n int) string { return fmt.Sprintf(`{"type":"metrics_update","data":{"n":%d}}`, n) }

func TestAudienceCountsUpdatesAlone(t *testing.T) {
	url := stage(t, func(_, n int) string {
		if n%2 == 0 {
			return `{"type":"models_list","data":[]}`
		}
		return update(7)
	})
	got, err := open(t, url, 5).Watch(t.Context(), 20*every)
	if err != nil {
		t.Fatal(err)
	}
	if got.Sockets != 5 || got.Lost != 0 || got.Fewest < 1 || got.Most > 12 || got.Distinct != 1 {
		t.Errorf("%+v: want 5 sockets with about 10 updates each, all alike", got)
	}
	if got.Bytes < uint64(5*got.Fewest*len(update(7))) || got.LongestGap < every {
		t.Errorf("%+v: too few bytes or too short a gap", got)
	}
}

func TestAudienceTellsUpdatesApart(t *testing.T) {
	url := stage(t, func(socket, _ int) string { return update(socket) })
	got, err := open(t, url, 3).Watch(t.Context(), 10*every)
	if err != nil {
		t.Fatal(err)
	}
	if got.Distinct != 3 {
		t.Errorf("%d distinct updates, want one for each socket", got.Distinct)
	}
}

func TestAudienceSeesLossAndSilence(t *testing.T) {
	url := stage(t, func(socket, n int) string {
		if socket == 1 && n == 2 {
			return ""
		}
		return update(n)
	})
	got, err := open(t, url, 3).Watch(t.Context(), 20*every)
	if err != nil {
		t.Fatal(err)
	}
	if got.Lost != 1 || got.FirstLoss == nil || got.Fewest > 2 {
		t.Errorf("%+v: want one socket lost after two updates", got)
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	a := open(t, stage(t, func(_, n int) string { return update(n) }), 2)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(2*every, cancel)
	if _, err := a.Watch(ctx, time.Hour); err == nil {
		t.Error("Watch ended well without its time being over")
	}
}

func TestOpenNeedsTheKey(t *testing.T) {
	url := stage(t, func(_, n int) string { return update(n) })
	if _, err := Open(t.Context(), url, "crl_other", 1); err == nil {
		t.Error("a wrong key opened a WebSocket")
	}
	if _, err := Open(t.Context(), "ws://127.0.0.1:1", "crl_k", 1); err == nil {
		t.Error("a wrong scheme was taken")
	}
}
