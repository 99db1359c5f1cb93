package api

import (
	"context"
	"slices"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

// How many lines of a log are shown.
const (
	defaultLogLines = 200
	maxLogLines     = 10_000
)

// target returns an instance of a host. Which ones a host has is known while its
// agent is connected, and nothing can be asked of it otherwise.
func (a *API) target(host, instance string) (fleet.Target, error) {
	view, err := a.reachable(host)
	if err != nil {
		return fleet.Target{}, err
	}
	known := slices.ContainsFunc(view.Instances, func(i fleet.Instance) bool { return i.Name == instance })
	if !known {
		return fleet.Target{}, fault.New(fault.NotFound, "host %q has no Ollama instance %q", view.Name, instance).On(fault.Caller)
	}
	return fleet.Target{HostID: view.ID, Host: view.Name, Instance: instance}, nil
}

// reachable returns a host whose agent is connected.
func (a *API) reachable(host string) (fleet.HostView, error) {
	view, err := a.Registry.Find(host)
	if err == nil && !view.State.Reachable() {
		err = fault.New(fault.Unavailable, "host %q is %s: its agent is not connected", view.Name, view.State).On(fault.Host)
	}
	return view, err
}

// logs passes on what an instance printed.
func (a *API) logs(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	lines, err := integer(r.Query, "lines", defaultLogLines, 1, maxLogLines)
	if err != nil {
		return nil, err
	}
	follow, err := boolean(r.Query, "follow")
	if err != nil {
		return nil, err
	}
	instance := r.Query.Get("instance")
	if instance == "" {
		instance = wire.DefaultInstance
	}
	to, err := a.target(r.Param("id"), instance)
	if err != nil {
		return nil, err
	}
	answer, err := a.Link.Logs(ctx, to, lines, follow)
	if err != nil {
		return nil, err
	}
	if answer.Status != 200 {
		// The body of an answer that is of no use has nothing to tell at its end.
		_ = answer.Body.Close()
		return nil, fault.New(fault.Unavailable, "host %q answered with status %d when asked for its log", to.Host, answer.Status).On(fault.Host)
	}
	return &edge.Response{
		Status: 200, Stream: answer.Body,
		Header: []edge.HeaderField{
			{Name: "Content-Type", Value: "text/plain; charset=utf-8"},
			{Name: "X-Accel-Buffering", Value: "no"},
		},
	}, nil
}

// restart has an agent restart one of its instances, waits until that has
// worked, and answers with the host.
func (a *API) restart(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	to, err := a.target(r.Param("id"), r.Param("instance"))
	if err != nil {
		return nil, err
	}
	a.Log.Info("restart asked for", "host_id", to.HostID, "host", to.Host, "instance", to.Instance, "caller", r.Caller.ID)
	if err := a.Link.RestartInstance(ctx, to.HostID, to.Instance); err != nil {
		return nil, err
	}
	return a.showHost(to.HostID)
}
