package live

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

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
	const answers, pushes = 4, 100
	long := strings.Repeat("x", 8*bufferBytes) // one of which the sockets' buffers don't hold
	f := start(t, func(_ context.Context, q chat.Question, _ func(chat.Piece) error) (*chat.Reply, error) {
		return &chat.Reply{Message: long, Model: q.Model}, nil
	}, nil)
	f.summary.numbers.Store(true)
	slow, other := f.raw(), f.raw()
	for range answers {
		slow.say(`{"event":"chat_request","data":{"message":"m","model":"m"}}`)
	}
	_, answer, err := slow.NextReader() // which is being written from now on, until it is read
	if err != nil {
		t.Fatal(err)
	}
	for range pushes {
		f.push(aboutMetrics, f.metrics)
		other.hear()
	}
	if _, err := io.Copy(io.Discard, answer); err != nil {
		t.Fatal(err)
	}
	for heard, updates := 1, 0; heard < answers || updates == 0; {
		switch got := slow.hearFrame(); got.Type {
		case "chat_response":
			heard++
		case "metrics_update":
			updates++
			var u summary.MetricsUpdate
			if err := json.Unmarshal(got.Data, &u); err != nil || u.TotalRequests != pushes {
				t.Errorf("the update %d came to a reader that stood still during %d, %v", u.TotalRequests, pushes, err)
			}
		}
	}
}
