package api

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/chat"
	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
	"github.com/corral-fleet/corral/sdk/fault"
)

// A dashboard that waits for 25 s gets two signs of life, and then what it waits
// for, or why it does not come.
func TestAChatThatWaitsGivesSignsOfLife(t *testing.T) {
	answered := says(nil, hello, finished)
	refused := func(context.Context, string, fleet.Call) (*fleet.Answer, error) {
		return nil, fault.New(fault.Unavailable, "no host became free").On(fault.Host)
	}
	for name, c := range map[string]struct {
		forward relaytest.Forward
		sign    string
		want    string
	}{
		"events":   {answered, ": waiting\n\n", `data: {"message":"Hello","model":"tiny","done":false}` + "\n\n"},
		"an error": {refused, ": waiting\n\n", `data: {"code":"unavailable","error":"no host became free","done":true}` + "\n\n"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				a := &API{Options: Options{Log: hclog.NewNullLogger(), Chat: chat.New(relaytest.Forward(
					func(ctx context.Context, model string, call fleet.Call) (*fleet.Answer, error) {
						time.Sleep(25 * time.Second)
						return c.forward(ctx, model, call)
					}), time.Now)}}
				resp, err := a.chatStream(t.Context(), &edge.Request{Body: []byte(asking), ContentType: "application/json"})
				if err != nil {
					t.Fatal(err)
				}
				if waited := time.Since(began); waited != 10*time.Second {
					t.Errorf("the head came after %v", waited)
				}
				text, err := io.ReadAll(resp.Stream)
				if err != nil || !strings.HasPrefix(string(text), c.sign+c.sign+c.want) {
					t.Errorf("read %q, %v", text, err)
				}
				if err := resp.Stream.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
