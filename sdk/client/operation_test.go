package client_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/fault"
)

func TestWatchOperation(t *testing.T) {
	asked := 0
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		state, changed := "running", 1
		switch asked++; {
		case asked == 2: // it restarts
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		case asked > 3:
			state, changed = "failed", 2
		}
		fmt.Fprintf(w, `{"id":"op_1","state":%q,"error":"it is full","changed_at":"2026-03-01T12:00:0%dZ","progress":%d}`, state, changed, 10*changed)
	})
	var heard []int
	o, err := c.WatchOperation(t.Context(), "op_1", func(o *client.Operation) { heard = append(heard, o.Progress) })
	if err != nil || o.State != client.OperationFailed || o.Error != "it is full" {
		t.Errorf("%+v, %v", o, err)
	}
	if !slices.Equal(heard, []int{10, 20}) {
		t.Errorf("heard was of %v", heard)
	}
}

func TestWatchOperationEnds(t *testing.T) {
	if _, err := serve(t, answer(404, `{"error":"there is none","code":"not_found"}`)).WatchOperation(t.Context(), "op_1", nil); fault.KindOf(err) != fault.NotFound {
		t.Errorf("got %v, want fault.NotFound", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c := serve(t, answer(200, `{"state":"running","changed_at":"2026-03-01T12:00:00Z"}`))
	if _, err := c.WatchOperation(ctx, "op_1", func(*client.Operation) { cancel() }); fault.KindOf(err) != fault.Canceled {
		t.Errorf("got %v, want fault.Canceled", err)
	}
}
