package relay

import (
	"context"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

// MaxBodyBytes is how large a request's body may be: images and long documents
// travel inside it.
const MaxBodyBytes = 256 << 20

// Streaming says which answers of an endpoint come piece by piece.
type Streaming uint8

// The ways in which a body asks for a stream.
const (
	Never       Streaming = iota
	UnlessFalse           // Ollama's: streamed without being asked
	IfTrue                // OpenAI's and Anthropic's
)

// Endpoint is one route of Ollama that needs a model.
type Endpoint struct {
	Path    string // as Ollama has it
	Dialect edge.Dialect
	// Body is the name that the real one's errors give to the type of the body.
	Body      string
	Streaming Streaming
	Ending    Ending // how a stream of this endpoint ends when it is whole
	// NotFound is the sentence for a model that nobody has, with a %s or %q for its name.
	NotFound string
	// Nameless makes a body without a model one whose model was not found,
	// where the real one does so; else it is a bad request.
	Nameless bool
}

// Relay passes requests on. Its methods may be called concurrently.
type Relay struct {
	forward fleet.Forwarder
	log     hclog.Logger
}

// New returns a relay to the hosts that forward reaches.
func New(forward fleet.Forwarder, log hclog.Logger) *Relay {
	return &Relay{forward: forward, log: log}
}

// Route returns the route of an endpoint, which is at the same path here as in
// Ollama.
func (r *Relay) Route(e Endpoint, may edge.Permission) edge.Route {
	return edge.Route{
		Method: "POST", Path: e.Path, Permission: may, Dialect: e.Dialect,
		Handler: r.Handler(e), MaxBodyBytes: MaxBodyBytes, Watch: true,
	}
}

// Handler returns the handler of an endpoint. It belongs on a route with Watch,
// so that a client that leaves ends the generation at once.
func (r *Relay) Handler(e Endpoint) edge.Handler {
	return func(ctx context.Context, req *edge.Request) (*edge.Response, error) {
		body, refused := e.read(req.Body)
		if refused != nil {
			return refused, nil
		}
		answer, err := r.forward.Forward(ctx, body.Model, fleet.Call{
			Method: req.Method, Path: e.Path, Fields: callFields(req, e.streams(body)), Body: body.raw,
			From: e.origin(req.Caller),
		})
		if isNoModel(err) {
			return e.notFound(body.Model), nil
		}
		if err != nil {
			return nil, Explained(err)
		}
		return r.respond(e, answer)
	}
}

// isNoModel reports whether a call failed because nobody has the model, and not
// because something on the way is missing.
func isNoModel(err error) bool {
	return err != nil && fault.KindOf(err) == fault.NotFound && fault.SideOf(err) == fault.Caller
}

// callFields are the header fields that a host gets to see.
func callFields(req *edge.Request, streams bool) []fleet.Field {
	fields := make([]fleet.Field, 0, 4)
	if req.ContentType != "" {
		fields = append(fields, fleet.Field{Name: "Content-Type", Value: req.ContentType})
	}
	for _, name := range [...]string{"Accept", "User-Agent"} {
		if value := req.Header(name); value != "" {
			fields = append(fields, fleet.Field{Name: name, Value: value})
		}
	}
	if streams {
		fields = append(fields, fleet.Field{Name: wire.StreamField, Value: "1"})
	}
	return fields
}
