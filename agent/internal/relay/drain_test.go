package relay

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/sdk/wire/exchange"
)

// held is a stand-in that answers when it is let, and a relay to it with a
// request under way.
func held(t *testing.T) (c *exchange.Client, r *Relay, body io.ReadCloser, let func()) {
	t.Helper()
	free := make(chan struct{})
	s := standIn(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "begun")
		w.(http.Flusher).Flush()
		<-free
		io.WriteString(w, " and ended")
	})
	c, r = through(t, s)
	res, err := c.Do(t.Context(), streaming())
	if err != nil {
		t.Fatal(err)
	}
	let = func() { close(free) }
	return c, r, res.Body, let
}

func TestDrainLetsAnswersEndAndTakesNoMore(t *testing.T) {
	c, r, body, let := held(t)
	defer body.Close()
	left := make(chan int)
	go func() { left <- r.Drain(t.Context()) }()
	for deadline := time.Now().Add(patience); !r.draining.Load(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not drain")
		}
	}
	refused := ask(t, c, streaming())
	if refused.status != 502 || refused.fault != "unavailable host" || !strings.Contains(refused.body, "told to end") {
		t.Errorf("a new request: %+v", refused)
	}
	select {
	case n := <-left:
		t.Fatalf("it is over with %d under way", n)
	default:
	}
	let()
	if got, err := io.ReadAll(body); err != nil || string(got) != "begun and ended" {
		t.Errorf("the answer under way is %q, %v", got, err)
	}
	if n := <-left; n != 0 {
		t.Errorf("%d are left", n)
	}
	if n := r.Drain(t.Context()); n != 0 {
		t.Errorf("with nothing under way, %d are left", n)
	}
}

func TestDrainEndsWithItsPatience(t *testing.T) {
	_, r, body, let := held(t)
	defer body.Close()
	defer let()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if n := r.Drain(ctx); n != 1 {
		t.Errorf("%d are left, want 1", n)
	}
}
