// Package ollamaapi answers to Ollama's own routes for the whole fleet, so that
// its command line and its client libraries take the control plane for one
// large Ollama. What lists is answered from what the hosts have told; what needs
// a model is passed on to a host that has it.
package ollamaapi

import (
	"context"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay"
	"github.com/corral-fleet/corral/sdk/fault"
)

// View is what is known of the hosts.
type View interface {
	Hosts() []fleet.HostView
}

// Options are what an [API] works with. All fields are required.
type Options struct {
	View  View
	Relay *relay.Relay
}

// API is Ollama's API. Its methods may be called concurrently.
type API struct {
	view  View
	relay *relay.Relay
}

// New returns the API.
func New(o Options) *API { return &API{view: o.View, relay: o.Relay} }

// Chat returns the handler of POST /api/chat for Ollama's own body. That path
// belongs to the dashboard as well, so its route is not among those of Routes;
// it has to be on one with Watch that takes bodies of [relay.MaxBodyBytes].
func (a *API) Chat() edge.Handler { return a.relay.Handler(chat()) }

// Routes returns every route but that of chat.
func (a *API) Routes() []edge.Route {
	routes := []edge.Route{
		a.list("/api/version", a.version),
		a.list("/api/tags", a.tags),
		a.list("/api/ps", a.ps),
		a.relay.Route(show(), edge.Read),
		a.relay.Route(generate(), edge.Infer),
		a.relay.Route(embed(), edge.Infer),
		a.relay.Route(embeddings(), edge.Infer),
	}
	return append(routes, unbuilt()...)
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

// unbuilt are the routes of Ollama that change what models there are.
func unbuilt() []edge.Route {
	var routes []edge.Route
	for _, r := range []struct{ method, path, what string }{
		{"POST", "/api/create", "creating models"},
		{"POST", "/api/pull", "pulling models"},
		{"POST", "/api/push", "pushing models"},
		{"POST", "/api/copy", "copying models"},
		{"DELETE", "/api/delete", "deleting models"},
		{"HEAD", "/api/blobs/{digest}", "uploading files of models"},
		{"POST", "/api/blobs/{digest}", "uploading files of models"},
	} {
		routes = append(routes, edge.Route{
			Method: r.method, Path: r.path, Permission: edge.Operate, Dialect: edge.Ollama,
			Streaming: true, MaxBodyBytes: -1, // nothing is read of the body
			Handler: func(context.Context, *edge.Request) (*edge.Response, error) {
				return nil, fault.New(fault.NotImplemented, "%s through the control plane is not built yet; "+
					"run the ollama command on a host, and the model is found within seconds", r.what)
			},
		})
	}
	return routes
}
