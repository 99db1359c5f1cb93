package ollamaapi

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay"
	"github.com/corral-fleet/corral/sdk/fault"
)

// change returns a route that changes what models there are. It has no Watch: a
// caller that leaves does not stop half-way what was begun on several hosts.
func change(method string, e relay.Endpoint, handler edge.Handler) edge.Route {
	return edge.Route{Method: method, Path: e.Path, Permission: edge.Operate, Dialect: e.Dialect, Handler: handler}
}

// copyModel gives a model another name on every instance that has it, or on
// those of the host that the caller names.
func (a *API) copyModel(ctx context.Context, req *edge.Request) (*edge.Response, error) {
	e := copying()
	var body struct {
		Source      string `json:"source"`
		Destination string `json:"destination"`
	}
	if refused := e.Decode(req.Body, &body); refused != nil {
		return refused, nil
	}
	hosts, err := a.hostsFor(req)
	if err != nil {
		return nil, err
	}
	places := placesOf(hosts, a.view.Aliases().Of(body.Source))
	switch {
	case len(places) == 0 && !validRef(body.Source):
		return e.Refuse(400, fmt.Sprintf("source %q is invalid", body.Source)), nil
	case !fleet.ValidModel(body.Destination):
		return e.Refuse(400, fmt.Sprintf("destination %q is invalid", body.Destination)), nil
	case len(places) == 0:
		return e.Refuse(404, fmt.Sprintf(e.NotFound, body.Source)), nil
	}
	if err := a.noAlias(body.Destination); err != nil {
		return nil, err
	}
	call := fleet.Call{Method: req.Method, Path: e.Path, Fields: relay.Fields(req)}
	replies := a.everywhere(ctx, places, call, func(at place) ([]byte, error) {
		return nameAt(req.Body, "source", body.Source, at)
	})
	a.settle(ctx, replies, func(at place) bool {
		holds, known := a.holds(at.Target, body.Destination, at.digest)
		return holds || !known
	})
	return merge(fmt.Sprintf("copying model %q to %q", body.Source, body.Destination), replies)
}

// noAlias is an error where a name is an alias, which nobody here gives or takes away: it
// may be what others rely on.
func (a *API) noAlias(name string) error {
	if of := a.view.Aliases().Of(name); of != name {
		return fault.New(fault.Conflict, "%q is an alias of the model %q, which corral model alias and PATCH /api/models/{id} change", name, of).On(fault.Caller)
	}
	return nil
}

// deleteModel removes a model from every instance that has it, or from those of
// the host that the caller names. It goes by the names that hosts have: an alias stays.
// A model of the catalogue stays there, and those hosts are no longer to have it: they would
// get it again.
func (a *API) deleteModel(ctx context.Context, req *edge.Request) (*edge.Response, error) {
	e := deleting()
	var body struct {
		Model string `json:"model"`
		Name  string `json:"name"`
	}
	if refused := e.Decode(req.Body, &body); refused != nil {
		return refused, nil
	}
	model := cmp.Or(body.Model, body.Name)
	hosts, err := a.hostsFor(req)
	if err != nil {
		return nil, err
	}
	places := placesOf(hosts, model)
	switch {
	case len(places) > 0:
	case !validRef(model):
		return e.Refuse(400, fmt.Sprintf("name %q is invalid", model)), nil
	default:
		if err := a.noAlias(model); err != nil {
			return nil, err
		}
		return e.Refuse(404, fmt.Sprintf(e.NotFound, model)), nil
	}
	letGo, err := a.letGo(ctx, req, model, places)
	if err != nil {
		return nil, err
	}
	call := fleet.Call{Method: req.Method, Path: e.Path, Fields: relay.Fields(req)}
	replies := a.everywhere(ctx, places, call, func(at place) ([]byte, error) {
		return nameAt(req.Body, "model", model, at)
	})
	for i := range replies {
		if r := &replies[i]; r.status == 404 && letGo[r.HostID] { // the catalogue was there first
			r.status, r.body = 200, nil
		}
	}
	a.settle(ctx, replies, func(at place) bool {
		holds, known := a.holds(at.Target, at.name, "")
		return !holds || !known
	})
	return merge(fmt.Sprintf("deleting model %q", model), replies)
}

// letGo has the hosts of places no longer keep a model of the catalogue, and returns the
// ids of those that were to. Where the caller names neither a host nor a digest, that is
// all hosts, also such as are away.
func (a *API) letGo(ctx context.Context, req *edge.Request, model string, places []place) (map[string]bool, error) {
	name := places[0].name
	var named []string
	if _, digest := fleet.SplitDigest(model); namedHost(req) != "" || digest != "" {
		for _, at := range places {
			named = append(named, at.HostID)
		}
	}
	were := map[string]bool{}
	for _, id := range a.catalogue.WantedOn(name) {
		were[id] = len(named) == 0 || slices.Contains(named, id)
	}
	return were, a.catalogue.LetGo(ctx, name, named...)
}

// validRef reports whether a name, which may have a digest, is one.
func validRef(ref string) bool {
	name, _ := fleet.SplitDigest(ref)
	return fleet.ValidModel(name)
}

// nameAt returns a body in which a model has a name that the Ollama at a place
// knows: the caller's own where that is one, for its answers repeat it.
func nameAt(raw []byte, field, asked string, at place) ([]byte, error) {
	if fleet.SameModel(asked, at.name) {
		return raw, nil
	}
	return renamed(raw, field, at.name)
}

// renamed returns a body in which a field has another name of a model.
func renamed(raw []byte, field, to string) ([]byte, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the body is not a JSON object").On(fault.Caller)
	}
	name, err := json.Marshal(to)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "")
	}
	fields[field] = name
	return json.Marshal(fields)
}
