package live

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/corral-fleet/corral/controlplane/internal/chat"
	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/summary"
)

func TestMetricsArePushed(t *testing.T) {
	f := start(t, echoes, func(p *pace) { p.metrics = 30 * time.Millisecond })
	raw, socketIO := f.raw(), f.joined(`40{"token":"operator"}`)
	realtime, _, err := f.dial("/api/metrics/realtime", "Authorization", "Bearer viewer")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if got := raw.hear(); !strings.HasPrefix(got, `{"type":"metrics_update","data":{"active_models":0,`) {
			t.Error(got)
		}
		if got := socketIO.hear(); !strings.HasPrefix(got, `42["metrics_update",{"active_models":0,`) {
			t.Error(got)
		}
		if got := realtime.hear(); !strings.HasPrefix(got, `{"type":"metrics_update","data":{"active_models":0,`) {
			t.Error(got)
		}
	}
	if n := f.Connections(); n != 3 {
		t.Errorf("%d connections are counted", n)
	}
	realtime.say("whatever") // is not listened to
	f.report("tiny")
	for range 3 {
		if got := realtime.hearFrame(); got.Type != "metrics_update" {
			t.Errorf("the stream of metrics has %+v", got)
		}
	}
	if _, resp, err := f.dial("/api/metrics/realtime"); err == nil || resp.StatusCode != 401 {
		t.Errorf("without a key: %v, %v", resp, err)
	}
}

func TestRealtimeBeginsAtOnce(t *testing.T) {
	f := start(t, echoes, nil) // pushes hourly
	c := f.mustDial("/api/metrics/realtime")
	c.want(`{"type":"metrics_update","data":` + noHostsMetrics + `}`)
	f.summary.broken.Store(true)
	f.mustDial("/api/metrics/realtime").wantClosed(edge.CloseInternal)
}

func TestUnsubscribedHearNothing(t *testing.T) {
	f := start(t, echoes, func(p *pace) { p.metrics = 10 * time.Millisecond })
	c, other := f.raw(), f.raw()
	c.say(`{"event":"unsubscribe","data":{"topics":["metrics_update"]},"id":1}`)
	for c.hearFrame().Type != "subscriptions" { // pushes until then are fine
	}
	for range 5 {
		other.hear()
	}
	c.say(`{"event":"get_models","id":1}`)
	// One that was offered before the client unsubscribed may still come.
	if got := c.hearFrame(); got.Type == "metrics_update" {
		if got = c.hearFrame(); got.Type != "models_list" {
			t.Errorf("heard %+v", got)
		}
	}
	c.say(`{"event":"subscribe","data":{"topics":["metrics_update"]}}`)
	for c.hearFrame().Type != "metrics_update" {
	}
}

// What can't be encoded is a line in the log; the next push comes all the same.
func TestPushGoesOnAfterAFailure(t *testing.T) {
	f := start(t, echoes, func(p *pace) { p.metrics = 10 * time.Millisecond })
	c := f.raw()
	f.summary.broken.Store(true)
	before := f.summary.updates.Load()
	for f.summary.updates.Load() < before+3 {
		c.say(`{"event":"get_models","id":1}`)
		for c.hearFrame().ID == nil {
		}
	}
	f.summary.broken.Store(false)
	for c.hearFrame().Type != "metrics_update" {
	}
}

func TestModelsArePushedWhenTheyChange(t *testing.T) {
	f := start(t, echoes, func(p *pace) { p.models = 150 * time.Millisecond })
	c := f.raw()
	began := time.Now()
	f.report("a")
	if got := c.hearFrame(); got.Type != "models_list" || !strings.Contains(string(got.Data), `"name":"a:latest"`) {
		t.Fatalf("%s %s", got.Type, got.Data)
	}
	for i := range 50 { // at once, so that few lists tell of them
		f.report("a", fmt.Sprintf("b%d", i))
	}
	lists := 0
	for {
		got := c.hearFrame()
		lists++
		if strings.Contains(string(got.Data), `"name":"b49:latest"`) {
			break
		}
	}
	if most := 1 + int(time.Since(began)/f.pace.models); lists > most {
		t.Errorf("%d lists in %v", lists, time.Since(began))
	}
	// A change of something else is no news about models.
	f.registry.Disconnect("none", 1, at(), "away")
	f.report("a", "b49")
	f.report("a", "b49", "c")
	if got := c.hearFrame(); !strings.Contains(string(got.Data), `"name":"c:latest"`) {
		t.Errorf("%s %s", got.Type, got.Data)
	}
}

// However many listen, the fleet is summed up and encoded once for each push.
func TestOneEncodingForAll(t *testing.T) {
	const listeners = 500
	f := start(t, echoes, func(p *pace) { p.metrics = time.Second })
	var connecting sync.WaitGroup
	conns := make([]*client, listeners)
	for part := range 10 {
		connecting.Go(func() {
			for i := part; i < listeners; i += 10 {
				conns[i], _, _ = f.dial("/ws", "Authorization", "Bearer operator")
			}
		})
	}
	connecting.Wait()
	for i, c := range conns {
		if c == nil {
			t.Fatalf("connection %d was not made", i)
		}
		for c.hearFrame().Type != "init" {
		}
	}
	before := f.summary.updates.Load()
	for range 2 {
		for _, c := range conns {
			for c.hearFrame().Type != "metrics_update" {
			}
		}
	}
	// The first round may have been pushed before the count, and a third one after.
	if n := f.summary.updates.Load() - before; n < 1 || n > 3 {
		t.Errorf("%d updates for two rounds of %d", n, listeners)
	}
}

// A client that does not read loses updates that newer ones replace. It holds
// nobody up, and gets its answers when it reads again.
func TestSlowReader(t *testing.T) {
	const answers = 8
	asked := make(chan struct{}, answers)
	f := start(t, func(ctx context.Context, q chat.Question, onPiece func(chat.Piece) error) (*chat.Reply, error) {
		asked <- struct{}{}
		return echoes(ctx, q, onPiece)
	}, func(p *pace) { p.metrics = 5 * time.Millisecond })
	f.summary.numbers.Store(true)
	conn, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	slow := upgraded(t, conn, f.addr)
	long := strings.Repeat("x", 900<<10) // a few of which fill the sockets' buffers
	for range answers {
		slow.say(`{"event":"chat_request","data":{"message":"` + long + `","model":"m"}}`)
	}
	for range answers {
		await(t, asked, "a question")
	}
	other := f.raw()
	began := time.Now()
	for range 100 {
		other.hear()
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("100 pushes of 5 ms took %v beside a slow reader", took)
	}
	heard, last, gap := 0, int64(0), int64(0)
	for done := false; !done; {
		switch got := slow.hearFrame(); got.Type {
		case "chat_response":
			heard++
		case "metrics_update":
			var u summary.MetricsUpdate
			if err := json.Unmarshal(got.Data, &u); err != nil {
				t.Fatal(err)
			}
			gap = max(gap, u.TotalRequests-last)
			last = u.TotalRequests
			done = heard == answers
		}
	}
	if gap < 50 {
		t.Errorf("a reader that stood still missed no more than %d updates in a row", gap-1)
	}
}

// upgraded makes a client of a connection.
func upgraded(t *testing.T, conn net.Conn, addr string) *client {
	t.Helper()
	d := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return conn, nil }}
	c, _, err := d.Dial("ws://"+addr+"/ws", http.Header{"Authorization": {"Bearer operator"}})
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(patience))
	return &client{t, c}
}
