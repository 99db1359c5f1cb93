// Package openaiapi answers to the routes of OpenAI's and Anthropic's APIs that
// Ollama imitates. A host's own Ollama does the imitating; here requests find a
// host, and streams that break off get the error that a client library raises.
package openaiapi

import (
	"context"
	"slices"
	"strings"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay"
)

// View is what is known of the hosts.
type View interface {
	Hosts() []fleet.HostView
	// Aliases returns the other names of models.
	Aliases() fleet.Aliases
}

// Options are what an [API] works with. All fields are required.
type Options struct {
	View  View
	Relay *relay.Relay
}

// API is OpenAI's API and a route of Anthropic's. Its methods may be called
// concurrently.
type API struct {
	view  View
	relay *relay.Relay
}

// New returns the API.
func New(o Options) *API { return &API{view: o.View, relay: o.Relay} }

// Routes returns every route.
func (a *API) Routes() []edge.Route {
	routes := []edge.Route{
		{Method: "GET", Path: "/v1/models", Permission: edge.Read, Dialect: edge.OpenAI, Handler: a.list},
		{Method: "GET", Path: "/v1/models/{model...}", Permission: edge.Read, Dialect: edge.OpenAI, Handler: a.retrieve},
	}
	for _, e := range endpoints() {
		routes = append(routes, a.relay.Route(e, edge.Infer))
	}
	return routes
}

func endpoints() []relay.Endpoint {
	return []relay.Endpoint{
		{
			Path: "/v1/chat/completions", Dialect: edge.OpenAI, Body: "openai.ChatCompletionRequest",
			Streaming: relay.IfTrue, Ending: relay.OpenAIEnding, NotFound: relay.NotFound,
		},
		{
			Path: "/v1/completions", Dialect: edge.OpenAI, Body: "openai.CompletionRequest",
			Streaming: relay.IfTrue, Ending: relay.OpenAIEnding, NotFound: relay.NotFound, Nameless: true,
		},
		{
			Path: "/v1/responses", Dialect: edge.OpenAI, Body: "openai.ResponsesRequest",
			Streaming: relay.IfTrue, Ending: relay.ResponsesEnding, NotFound: relay.NotFound,
		},
		{
			Path: "/v1/embeddings", Dialect: edge.OpenAI, Body: "openai.EmbedRequest",
			Streaming: relay.Never, NotFound: relay.NotFoundPull,
		},
		{
			Path: "/v1/messages", Dialect: edge.Anthropic, Body: "anthropic.MessagesRequest",
			Streaming: relay.IfTrue, Ending: relay.AnthropicEnding, NotFound: relay.NotFound,
		},
	}
}

// model is OpenAI's object for one, in the order of Ollama's fields.
type model struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"` // in Unix seconds; 0 when it is not known
	OwnedBy string `json:"owned_by"`
}

func modelOf(id string, m *fleet.Model) model {
	created := int64(0)
	if !m.ModifiedAt.IsZero() {
		created = m.ModifiedAt.Unix()
	}
	return model{ID: id, Object: "model", Created: created, OwnedBy: ownerOf(m.Name)}
}

// ownerOf returns the namespace of a model's name: the part before the last,
// which is "library" where nobody says otherwise.
func ownerOf(name string) string {
	parts := strings.Split(name, "/")
	if len(parts) < 2 {
		return "library"
	}
	return parts[len(parts)-2]
}

// models returns every model of the fleet, once for each of its names.
func (a *API) models() []fleet.Model {
	return a.view.Aliases().Served(fleet.ModelsOf(a.view.Hosts()))
}

func (a *API) list(context.Context, *edge.Request) (*edge.Response, error) {
	models := a.models()
	data := make([]model, len(models))
	for i := range models {
		data[i] = modelOf(models[i].Name, &models[i])
	}
	return bare(struct {
		Object string  `json:"object"`
		Data   []model `json:"data"`
	}{"list", data})
}

// retrieve answers with a model under the name that it was asked for by. The
// name may have slashes in it, as they are or encoded.
func (a *API) retrieve(_ context.Context, r *edge.Request) (*edge.Response, error) {
	asked := r.Param("model")
	name, digest := fleet.SplitDigest(asked)
	id := fleet.ModelID(name)
	for _, m := range a.models() {
		if m.ID == asked || m.ID == id && (digest == "" || slices.Contains(m.Digests, digest)) {
			return bare(modelOf(asked, &m))
		}
	}
	return relay.NoModel(asked), nil
}

// bare returns a response whose type has no charset, as Ollama's has none here.
func bare(v any) (*edge.Response, error) {
	resp, err := edge.JSON(200, v)
	if err != nil {
		return nil, err
	}
	resp.Header = []edge.HeaderField{{Name: "Content-Type", Value: "application/json"}}
	return resp, nil
}
