// Package ollamaapi answers to Ollama's own routes for the whole fleet, so that
// its command line and its client libraries take the control plane for one
// large Ollama. What lists is answered from what the hosts have told; what needs
// a model is passed on to a host that has it; copying, deleting and unloading a
// model is done on every host that has it; and what brings a model goes to the host that
// the caller names, or where several are connected and none is named, to those that the
// placement chooses.
package ollamaapi

import (
	"context"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models"
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
	// Aliases returns the other names of models.
	Aliases() fleet.Aliases
}

// Catalogue is what has models and brings them to hosts.
type Catalogue interface {
	// Stored returns a model of the catalogue, or fault.NotFound.
	Stored(name string) (fleet.StoredModel, error)
	// Choose returns the hosts that would get a model of this name, whoever brings it.
	Choose(name string, w models.Where) ([]fleet.HostView, error)
	// Want has hosts get a model of the catalogue, and keep it.
	Want(ctx context.Context, name string, w models.Where) ([]fleet.HostView, error)
	// LetGo has hosts no longer keep a model of the catalogue: those with these ids, or all.
	LetGo(ctx context.Context, name string, hostIDs ...string) error
	// WantedOn returns the ids of the hosts that are to have a model of the catalogue.
	WantedOn(name string) []string
	// Known returns the size of a file of the catalogue by its sha256, or fault.NotFound;
	// the empty storage is any.
	Known(storage, sha256 string) (sizeBytes int64, err error)
	// Changed returns a channel that is closed at the next change of the catalogue.
	Changed() <-chan struct{}
}

// Operations are what is being done.
type Operations interface {
	// Since returns what has changed since a version, oldest change first, the version
	// now, and a channel that is closed at the next change.
	Since(version uint64) ([]fleet.Operation, uint64, <-chan struct{})
}

// Options are what an [API] works with. All fields are required.
type Options struct {
	View       View
	Relay      *relay.Relay
	Calls      fleet.Caller // reaches each instance by itself
	Catalogue  Catalogue
	Operations Operations
	Blobs      Blobs
	Maker      Maker
}

// API is Ollama's API. Its methods may be called concurrently.
type API struct {
	view  View
	relay *relay.Relay
	calls fleet.Caller

	catalogue  Catalogue
	operations Operations
	blobs      Blobs
	maker      Maker

	callLimit   time.Duration // for each of the calls that one request becomes
	settleLimit time.Duration // for a change to be seen in what the hosts tell
}

// New returns the API.
func New(o Options) *API {
	return &API{
		view: o.View, relay: o.Relay, calls: o.Calls, catalogue: o.Catalogue, operations: o.Operations,
		blobs: o.Blobs, maker: o.Maker,
		callLimit: 30 * time.Second, settleLimit: 2 * time.Second,
	}
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
		a.ofCatalogue("POST", pulling().Path, a.pull, pulled),
		a.ofCatalogue("POST", creating().Path, a.create, beneath),
		a.onHost("POST", pushing().Path, a.push),
		a.onHost("POST", "/api/me", a.me),
		a.onHost("HEAD", "/api/blobs/{digest}", a.hasBlob),
		a.onHost("POST", "/api/blobs/{digest}", a.takeBlob),
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
