package api

import (
	"context"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

func (a *API) hosts(context.Context, *edge.Request) (*edge.Response, error) {
	hosts := a.Registry.Hosts()
	for i := range hosts {
		hosts[i] = hosts[i].Shown()
	}
	return edge.JSON(200, hosts)
}

func (a *API) host(_ context.Context, r *edge.Request) (*edge.Response, error) {
	return a.showHost(r.Param("id"))
}

func (a *API) showHost(ref string) (*edge.Response, error) {
	view, err := a.Registry.Find(ref)
	if err != nil {
		return nil, err
	}
	return edge.JSON(200, view.Shown())
}

// removeHost forgets a host and ends its session. What runs there goes on; its
// agent is refused until it joins anew, and other hosts get no models from it.
func (a *API) removeHost(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	a.changing.Lock()
	defer a.changing.Unlock()
	view, err := a.Registry.Find(r.Param("id"))
	if err != nil {
		return nil, err
	}
	// A client that leaves now must not decide whether a host that is forgotten
	// keeps its session.
	if err := a.Hosts.RemoveHost(context.WithoutCancel(ctx), view.ID); err != nil {
		return nil, err
	}
	a.Registry.Remove(view.ID)
	a.Link.Forget(view.ID)
	a.Log.Info("host removed", "host_id", view.ID, "host", view.Name, "caller", r.Caller.ID)
	return edge.JSON(200, view.Shown())
}

// drain keeps new requests away from a host, or lets them come again.
func (a *API) drain(draining bool) edge.Handler {
	return func(ctx context.Context, r *edge.Request) (*edge.Response, error) {
		return a.change(ctx, r, func(h *fleet.Host) { h.Draining = draining })
	}
}

// approve lets a host in that joined with a token which wants that. One that is
// in already stays so.
func (a *API) approve(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	return a.change(ctx, r, func(h *fleet.Host) { h.Pending = false })
}

// change changes what is stored of a host and answers with the host.
func (a *API) change(ctx context.Context, r *edge.Request, change func(*fleet.Host)) (*edge.Response, error) {
	a.changing.Lock()
	defer a.changing.Unlock()
	view, err := a.Registry.Find(r.Param("id"))
	if err != nil {
		return nil, err
	}
	host := view.Host
	change(&host)
	if err := a.Hosts.SaveHost(context.WithoutCancel(ctx), host); err != nil {
		return nil, err
	}
	a.Registry.Put(host)
	a.Log.Info("host changed", "host_id", host.ID, "host", host.Name, "draining", host.Draining, "pending", host.Pending, "caller", r.Caller.ID)
	return a.showHost(host.ID)
}
