package relay_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
)

// stuck answers, as far as it answers, with a piece and then nothing.
func stuck(piece string) relaytest.Forward {
	return func(ctx context.Context, _ string, _ fleet.Call) (*fleet.Answer, error) {
		if piece == "" {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}
		answer := relaytest.Stream(ndjson, nil)
		answer.Body = endless{relaytest.NewEndless(ctx, piece), ctx}
		return answer, nil
	}
}

// endless fails for the reason for which its context ended, as a host's answer does.
type endless struct {
	*relaytest.Endless
	ctx context.Context // the call's, whose answer this is
}

func (e endless) Read(p []byte) (int, error) {
	n, err := e.Endless.Read(p)
	if err != nil {
		err = context.Cause(e.ctx)
	}
	return n, err
}

func TestARequestEndsAtItsDeadline(t *testing.T) {
	const late = `{"error":"the request took longer than the 50ms that it may take"`
	limit := func() time.Duration { return 50 * time.Millisecond }
	for name, c := range map[string]struct {
		most   func() time.Duration
		header string
		piece  string
		body   string
		status int
		want   string
	}{
		"its own":            {nil, "Corral-Timeout: 0.05", "", body, 504, late},
		"everybody's":        {limit, "", "", body, 504, late},
		"a shorter one":      {func() time.Duration { return time.Hour }, "Corral-Timeout: 0.05", "", body, 504, late},
		"whole":              {limit, "", "", `{"model":"tiny","stream":false}`, 504, late},
		"in the middle":      {limit, "", token, body, 200, token + late},
		"no number":          {nil, "Corral-Timeout: soon", "", body, 400, `{"error":"the header field Corral-Timeout is \"soon\"`},
		"no time":            {nil, "Corral-Timeout: 0", "", body, 400, `{"error":"the header field`},
		"less than none":     {nil, "Corral-Timeout: -1", "", body, 400, `{"error":"the header field`},
		"not a number":       {nil, "Corral-Timeout: NaN", "", body, 400, `{"error":"the header field`},
		"more than anything": {nil, "Corral-Timeout: 1e300", last, body, 200, last},
	} {
		t.Run(name, func(t *testing.T) {
			forward := stuck(c.piece)
			if c.piece == last {
				forward = func(context.Context, string, fleet.Call) (*fleet.Answer, error) {
					return relaytest.Stream(ndjson, nil, last), nil
				}
			}
			s := relaytest.Serve(t, []edge.Route{relay.New(forward, c.most, hclog.NewNullLogger()).Route(native(), edge.Infer)})
			var header []string
			if c.header != "" {
				header = append(header, c.header)
			}
			got := s.Do(edge.Infer, "POST", "/api/chat", c.body, header...)
			if got.Status != c.status || got.Err != nil || !strings.HasPrefix(got.Body, c.want) {
				t.Errorf("%d %q, %v", got.Status, got.Body, got.Err)
			}
		})
	}
}
