package relay

import (
	"context"
	"time"

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
	timeout func() time.Duration
	log     hclog.Logger
}

// New returns a relay to the hosts that forward reaches. A request may take as
// long as timeout says unless it says itself; 0, or none to ask, is for ever.
func New(forward fleet.Forwarder, timeout func() time.Duration, log hclog.Logger) *Relay {
	if timeout == nil {
		timeout = func() time.Duration { return 0 }
	}
	return &Relay{forward: forward, timeout: timeout, log: log}
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
	form, tells := e.form()
	return func(ctx context.Context, req *edge.Request) (*edge.Response, error) {
		body, refused := e.read(req.Body)
		if refused != nil {
			return refused, nil
		}
		a := &asking{endpoint: &e, req: req, body: body}
		var err error
		if ctx, a.cancel, err = bound(ctx, req, r.timeout()); err != nil {
			return nil, err
		}
		if tells && e.streams(body) {
			return r.patiently(ctx, a, form)
		}
		return r.ask(ctx, a)
	}
}

// asking is a request on its way.
type asking struct {
	endpoint *Endpoint
	req      *edge.Request
	body     *body
	place    fleet.Place
	cancel   context.CancelFunc // of its context; called when its answer is over
}

// ask forwards a request and turns what comes of it into a response.
func (r *Relay) ask(ctx context.Context, a *asking) (*edge.Response, error) {
	e := a.endpoint
	answer, err := r.forward.Forward(ctx, a.body.Model, fleet.Call{
		Method: a.req.Method, Path: e.Path, Fields: callFields(a.req, e.streams(a.body)), Body: a.body.raw,
		From: e.origin(a.req.Caller), Place: &a.place,
	})
	if err != nil {
		a.cancel()
		if isNoModel(err) {
			return e.notFound(a.body.Model), nil
		}
		return nil, Explained(err)
	}
	asAsked(answer, a.body.Model)
	resp, err := r.respond(*e, answer, a.cancel)
	if err == nil {
		resp.Header = append(resp.Header, queued(&a.place)...)
	}
	return resp, err
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
