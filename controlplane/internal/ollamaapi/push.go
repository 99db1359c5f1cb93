package ollamaapi

import (
	"context"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// push has a host that has the model push it. Where none has it, the first host says so,
// in the words that an Ollama has for it.
func (a *API) push(ctx context.Context, req *edge.Request, hosts []fleet.HostView) (*edge.Response, error) {
	e := pushing()
	raw, err := bodyOf(req)
	if err != nil {
		return nil, err
	}
	var body named
	if refused := e.Decode(raw, &body); refused != nil {
		return refused, nil
	}
	if body.model() == "" {
		return e.Refuse(400, "model is required"), nil
	}
	for i := range hosts {
		for _, at := range placesOf(hosts[i:i+1], body.model()) {
			if in := instanceNamed(&hosts[i], at.Instance); in != nil && in.Serves() {
				return a.direct(ctx, e.Path, at.Target, again(req, raw))
			}
		}
	}
	to, err := instanceOn(&hosts[0])
	if err != nil {
		return nil, err
	}
	return a.direct(ctx, e.Path, to, again(req, raw))
}

// me says whose account at ollama.com it is, which Ollama's command line asks before it
// pushes something there. Each host has one of its own, so that a fleet of several has none.
func (a *API) me(context.Context, *edge.Request, []fleet.HostView) (*edge.Response, error) {
	return nil, fault.New(fault.NotImplemented, "models are pushed to ollama.com on a host itself, whose Ollama has the key for it; other registries take them from here, as in ollama push REGISTRY/NAME").On(fault.Caller)
}

func instanceNamed(host *fleet.HostView, name string) *fleet.Instance {
	for i := range host.Instances {
		if host.Instances[i].Name == name {
			return &host.Instances[i]
		}
	}
	return nil
}
