package relay_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
)

func TestACallSaysOnWhoseBehalfItIs(t *testing.T) {
	for dialect, endpoint := range map[string]relay.Endpoint{"ollama": native(), "openai": completions(), "anthropic": messages()} {
		var from fleet.Origin
		s := serve(t, endpoint, func(ctx context.Context, model string, call fleet.Call) (*fleet.Answer, error) {
			from = call.From
			return relaytest.NoModels(ctx, model, call)
		})
		s.Do(edge.Infer, "POST", endpoint.Path, body)
		want := fleet.Origin{KeyID: "infer", KeyName: "infer", Priority: relaytest.Priority, Dialect: dialect}
		if diff := cmp.Diff(want, from); diff != "" {
			t.Errorf("%s (-want +got)\n%s", endpoint.Path, diff)
		}
	}
}
