package relay_test

import (
	"context"
	"net/url"
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
	"github.com/corral-fleet/corral/sdk/fault"
)

// Whatever a host answers, it is said that it was this host.
func TestAnswersNameTheirHost(t *testing.T) {
	for name, answer := range map[string]*fleet.Answer{
		"whole":              relaytest.Answer(200, "application/json", `{"done":true}`),
		"an error of Ollama": relaytest.Answer(400, "application/json", `{"error":"no"}`),
		"a bare status":      relaytest.Answer(500, "application/json", ""),
		"nothing to say":     relaytest.Answer(200, "application/json", ""),
	} {
		for _, e := range []relay.Endpoint{native(), completions(), messages()} {
			s := serve(t, e, func(context.Context, string, fleet.Call) (*fleet.Answer, error) { return answer, nil })
			if got := s.Do(edge.Infer, "POST", e.Path, body); got.Status != answer.Status || got.Header.Get(relay.HostField) != "alpha" {
				t.Errorf("%s, %s: %d %v", name, e.Path, got.Status, got.Header)
			}
		}
	}
	nobody := serve(t, native(), relaytest.NoModels)
	if got := nobody.Do(edge.Infer, "POST", "/api/chat", body); got.Status != 404 || got.Header.Values(relay.HostField) != nil {
		t.Errorf("where no host answered: %d %v", got.Status, got.Header)
	}
}

func TestAHostsNameFitsIntoAHeader(t *testing.T) {
	for name, want := range map[string]string{
		"gpu-07.example.com": "gpu-07.example.com",
		"rack 7 (old)":       "rack 7 (old)",
		"100%":               "100%25",
		"Zürich":             "Z%C3%BCrich",
		"a\r\nSet-Cookie: x": "a%0D%0ASet-Cookie: x",
		"":                   "",
	} {
		got := relay.HostHeader(fleet.Target{Host: name})
		if got.Name != "Corral-Host" || got.Value != want {
			t.Errorf("%q: %v, want %q", name, got, want)
		}
		if back, err := url.PathUnescape(got.Value); err != nil || back != name {
			t.Errorf("%q comes back as %q, %v", name, back, err)
		}
	}
}

// Whatever comes of a request that was sent to a host, it is said by which
// decision.
func TestAnswersAndErrorsNameTheirDecision(t *testing.T) {
	lost := fault.New(fault.Unavailable, "the host could not be reached").On(fault.Host)
	for name, forward := range map[string]relaytest.Forward{
		"an answer": func(context.Context, string, fleet.Call) (*fleet.Answer, error) {
			answer := relaytest.Answer(200, "application/json", `{"done":true}`)
			answer.Decision = "r1-2a"
			return answer, nil
		},
		"an answer that breaks off at once": func(context.Context, string, fleet.Call) (*fleet.Answer, error) {
			answer := relaytest.Stream("application/x-ndjson", lost)
			answer.Decision = "r1-2a"
			return answer, nil
		},
		"no answer": func(context.Context, string, fleet.Call) (*fleet.Answer, error) {
			return nil, &fleet.DecidedError{Decision: "r1-2a", Err: lost}
		},
	} {
		got := serve(t, native(), forward).Do(edge.Infer, "POST", "/api/chat", body)
		if got.Header.Get(relay.DecisionField) != "r1-2a" {
			t.Errorf("%s: %d %v", name, got.Status, got.Header)
		}
		if got.Status != 200 && got.Header.Get("Retry-After") == "" {
			t.Errorf("%s: an error without advice: %v", name, got.Header)
		}
	}
}
