package ollamaapi

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models"
	"github.com/corral-fleet/corral/controlplane/internal/relay"
)

// invalidName is what Ollama says to a name that is none.
const invalidName = "invalid model name"

// named is what all of these requests have.
type named struct {
	Model  string `json:"model"`
	Name   string `json:"name"` // where older clients put it
	Stream *bool  `json:"stream"`
}

func (n *named) model() string { return cmp.Or(n.Model, n.Name) }

func (n *named) streams() bool { return n.Stream == nil || *n.Stream }

// ofCatalogue is the route of [API.onHost] for what the catalogue may have: a fleet of one
// takes it from there as well, unless that host is named. needed returns the name of the
// model that a request needs, or "".
func (a *API) ofCatalogue(method, path string, answer forFleet, needed func(raw []byte) string) edge.Route {
	route := a.onHost(method, path, answer)
	onHost := route.Handler
	route.Handler = func(ctx context.Context, req *edge.Request) (*edge.Response, error) {
		if namedHost(req) != "" {
			return onHost(ctx, req)
		}
		raw, err := bodyOf(req)
		if err != nil {
			return nil, err
		}
		req = again(req, raw)
		model := a.view.Aliases().Of(needed(raw))
		hosts, err := a.hostsFor(req)
		if err != nil || len(hosts) == 0 || model == "" || !a.stored(model) {
			return onHost(ctx, req)
		}
		return answer(ctx, req, hosts)
	}
	return route
}

// pulled returns the name of the model that a request is to pull.
func pulled(raw []byte) string {
	var body named
	if json.Unmarshal(raw, &body) != nil {
		return "" // the host says what is wrong
	}
	return body.model()
}

// pull brings a model to the hosts that should have it: from the catalogue where that has
// it, and else by the Ollamas themselves.
func (a *API) pull(ctx context.Context, req *edge.Request, hosts []fleet.HostView) (*edge.Response, error) {
	e := pulling()
	raw, err := bodyOf(req)
	if err != nil {
		return nil, err
	}
	var body named
	if refused := e.Decode(raw, &body); refused != nil {
		return refused, nil
	}
	model := body.model()
	if !fleet.ValidModel(model) {
		return e.Refuse(400, invalidName), nil
	}
	return answer(ctx, body.streams(), func(ctx context.Context, tell func(report)) error {
		if of := a.view.Aliases().Of(model); a.stored(of) {
			return a.bring(ctx, of, tell)
		}
		places, err := a.placesFor(hosts, model)
		if err != nil {
			return err
		}
		call := fleet.Call{Method: req.Method, Path: e.Path, Fields: relay.Fields(req)}
		same := func(place) ([]byte, error) { return raw, nil }
		if err := a.natively(ctx, fmt.Sprintf("pulling model %q", model), places, call, same, tell); err != nil {
			return err
		}
		return a.agree(ctx, model, places)
	})
}

// stored reports whether the catalogue has a model that hosts can get.
func (a *API) stored(model string) bool {
	m, err := a.catalogue.Stored(model)
	return err == nil && m.DeletedAt.IsZero() && len(m.Files) > 0
}

// placesFor returns where a model goes of which only the name is known: to the hosts that
// have one of the name, which becomes the newer one, or else to the one that it fits best.
func (a *API) placesFor(hosts []fleet.HostView, model string) ([]place, error) {
	if have := placesOf(hosts, model); len(have) > 0 {
		return have, nil
	}
	chosen, err := a.catalogue.Choose(model, models.Where{})
	if err != nil {
		return nil, err
	}
	var places []place
	for i := range chosen {
		to, err := instanceOn(&chosen[i])
		if err != nil {
			return nil, err
		}
		places = append(places, place{Target: to, name: model})
	}
	return places, nil
}
