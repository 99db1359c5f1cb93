// Package ollamaapi answers to Ollama's own routes for the whole fleet, so that
// its command line and its client libraries take the control plane for one
// large Ollama. What lists is answered from what the hosts have told; what needs
// a model is passed on to a host that has it; copying, deleting and unloading a
// model is done on every host that has it; and what brings a model to a host
// goes to the one that the caller names.
package ollamaapi

import (
	"context"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay"
)

// View is what is known of the hosts.
type View interface {
	Hosts() []fleet.HostView
	// Find returns the host with this id or name, or fault.NotFound.
	Find(idOrName string) (fleet.HostView, error)
	// Changed returns a channel that is closed at the next change of a host, an
	// instance or a model.
	Changed() <-chan struct{}
}

// Options are what an [API] works with. All fields are required.
type Options struct {
	View  View
	Relay *relay.Relay
	Calls fleet.Caller // reaches each instance by itself
}

// API is Ollama's API. Its methods may be called concurrently.
type API struct {
	view  View
	relay *relay.Relay
	calls fleet.Caller

	callLimit   time.Duration // for each of the calls that one request becomes
	settleLimit time.Duration // for a change to be seen in what the hosts tell
}

// New returns the API.
func New(o Options) *API {
	return &API{view: o.View, relay: o.Relay, calls: o.Calls, callLimit: 30 * time.Second, settleLimit: 2 * time.Second}
}

// Chat returns the handler of POST /api/chat for Ollama's own body. That path
// belongs to the dashboard as well, so its route is not among those of Routes;
// it has to be on one with Watch that takes bodies of [relay.MaxBodyBytes].
func (a *API) Chat() edge.Handler { return a.orUnload(chat(), a.relay.Handler(chat())) }

// Routes returns every route but that of chat.
func (a *API) Routes() []edge.Route {
	inMemory := a.relay.Route(generate(), edge.Infer)
	inMemory.Handler = a.orUnload(generate(), inMemory.Handler)
	return []edge.Route{
		a.list("/api/version", a.version),
		a.list("/api/tags", a.tags),
		a.list("/api/ps", a.ps),
		a.relay.Route(show(), edge.Read),
		inMemory,
		a.relay.Route(embed(), edge.Infer),
		a.relay.Route(embeddings(), edge.Infer),
		change("POST", copying(), a.copyModel),
		change("DELETE", deleting(), a.deleteModel),
		a.onHost("POST", "/api/pull"),
		a.onHost("POST", "/api/create"),
		a.onHost("POST", "/api/push"),
		a.onHost("HEAD", "/api/blobs/{digest}"),
		a.onHost("POST", "/api/blobs/{digest}"),
	}
}

func (a *API) list(path string, answer func() (any, error)) edge.Route {
	return edge.Route{
		Method: "GET", Path: path, Permission: edge.Read, Dialect: edge.Ollama,
		Handler: func(context.Context, *edge.Request) (*edge.Response, error) {
			v, err := answer()
			if err != nil {
				return nil, err
			}
			return edge.JSON(200, v)
		},
	}
}
