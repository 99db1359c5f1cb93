package api

import (
	"context"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/storages"
	"github.com/corral-fleet/corral/sdk/fault"
)

func (a *API) storages(ctx context.Context, _ *edge.Request) (*edge.Response, error) {
	return edge.JSON(200, a.Storages.Storages(ctx))
}

func (a *API) storage(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	view, err := a.Storages.Storage(ctx, r.Param("name"))
	if err != nil {
		return nil, err
	}
	return edge.JSON(200, view)
}

// trialOf reads how a storage is tried before it is saved.
func trialOf(r *edge.Request) (storages.Trial, error) {
	switch how := r.Query.Get("check"); how {
	case "", "online":
		return storages.Online, nil
	case "offline":
		return storages.Offline, nil
	default:
		return storages.Online, fault.New(fault.Invalid, "the parameter %q is %q, neither online nor offline", "check", how).On(fault.Caller)
	}
}

func (a *API) createStorage(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	spec, trial, err := asked(r)
	if err != nil {
		return nil, err
	}
	view, err := a.Storages.Create(ctx, spec, trial)
	if err != nil {
		return nil, byField(err)
	}
	a.Log.Info("storage created", "storage", view.Name, "plugin", view.Plugin, "caller", r.Caller.ID)
	return edge.JSON(201, view)
}

func (a *API) changeStorage(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	spec, trial, err := asked(r)
	if err != nil {
		return nil, err
	}
	view, err := a.Storages.Change(ctx, r.Param("name"), spec, trial)
	if err != nil {
		return nil, byField(err)
	}
	a.Log.Info("storage changed", "storage", view.Name, "plugin", view.Plugin, "caller", r.Caller.ID)
	return edge.JSON(200, view)
}

func asked(r *edge.Request) (spec storages.Spec, trial storages.Trial, err error) {
	if err := decode(r.Body, &spec); err != nil {
		return spec, trial, err
	}
	trial, err = trialOf(r)
	return spec, trial, err
}

func (a *API) removeStorage(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	view, err := a.Storages.Remove(ctx, r.Param("name"))
	if err != nil {
		return nil, err
	}
	a.Log.Info("storage removed", "storage", view.Name, "caller", r.Caller.ID)
	return edge.JSON(200, view)
}

// checkStorage asks a storage's service whether it would serve. With a body it tries
// that in the storage's place, and saves nothing.
func (a *API) checkStorage(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	name := r.Param("name")
	if len(r.Body) == 0 {
		view, err := a.Storages.Check(ctx, name)
		if err != nil {
			return nil, err
		}
		return edge.JSON(200, view)
	}
	spec, trial, err := asked(r)
	if err != nil {
		return nil, err
	}
	if err := a.Storages.Try(ctx, name, spec, trial); err != nil {
		return nil, byField(err)
	}
	return a.storage(ctx, r)
}
