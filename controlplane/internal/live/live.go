package live

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/chat"
	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/storages"
	"github.com/corral-fleet/corral/controlplane/internal/summary"
)

// Summary sums the fleet up. Its methods may be called concurrently.
type Summary interface {
	Update() summary.MetricsUpdate
	Models() []fleet.Model
	Status() summary.SystemStatus
	HostMetrics(sequence uint64) summary.HostMetrics
}

// Chat asks models, as [chat.Service] does.
type Chat interface {
	Ask(ctx context.Context, q chat.Question, onPiece func(chat.Piece) error) (*chat.Reply, error)
}

// Registry tells of hosts, and of changes of hosts and models, as
// [fleet.Registry] does.
type Registry interface {
	Hosts() []fleet.HostView
	Changed() <-chan struct{}
}

// Storages list the files of storages, as [storages.Service] does.
type Storages interface {
	Files(ctx context.Context, name string, q storages.Query) (storages.Listing, error)
}

// Operations tell what goes on with models.
type Operations interface {
	// Since returns what has changed since a version, the oldest change first, the
	// version now, and a channel that is closed at the next change.
	Since(version uint64) ([]fleet.Operation, uint64, <-chan struct{})
}

// Options are what a [Live] is made of; all of them are required.
type Options struct {
	Summary  Summary
	Chat     Chat
	Registry Registry
	Storages Storages
	Uploads  Uploads
	// Operations are those on models; Catalogue returns a channel that is closed at the
	// next change of which models are stored.
	Operations Operations
	Catalogue  func() <-chan struct{}
	// Authenticator knows the keys that Socket.IO's clients show only once they
	// are connected.
	Authenticator edge.Authenticator
	Log           hclog.Logger
	Now           func() time.Time
}

// pace is how often things happen and how long others may take; tests have less
// patience.
type pace struct {
	metrics     time.Duration // between two updates of the metrics
	hostMetrics time.Duration // between two updates of the hosts' numbers
	models      time.Duration // between two lists of models, at the least
	hosts       time.Duration // between two lists of hosts, at the least
	ping        time.Duration // from a pong of Socket.IO to the next ping
	pong        time.Duration // from a ping to its pong
	greeting    time.Duration // for a client of Socket.IO to say who it is
}

// patient has the numbers of the contract and of Socket.IO's reference server.
func patient() pace {
	return pace{
		metrics: time.Second, hostMetrics: time.Second,
		models: 500 * time.Millisecond, hosts: 250 * time.Millisecond,
		ping: 25 * time.Second, pong: 20 * time.Second, greeting: 45 * time.Second,
	}
}

// maxMessageBytes is how large a message of a client may be; clients of
// Socket.IO are told so.
const maxMessageBytes = 1_000_000

// Live serves WebSockets and pushes to them while it runs. Its methods may be
// called concurrently.
type Live struct {
	summary    Summary
	chat       Chat
	registry   Registry
	storages   Storages
	uploads    Uploads
	operations Operations
	catalogue  func() <-chan struct{}
	auth       edge.Authenticator
	log        hclog.Logger
	now        func() time.Time
	pace       pace
	hub        *hub
	hosts      *hostList
	usage      *hostMetrics
}

// New returns a Live without connections.
func New(o Options) *Live {
	everybody := &hub{members: map[*member]struct{}{}}
	return &Live{
		summary: o.Summary, chat: o.Chat, registry: o.Registry, storages: o.Storages, uploads: o.Uploads,
		operations: o.Operations, catalogue: o.Catalogue, auth: o.Authenticator,
		log: o.Log, now: o.Now, pace: patient(),
		hub:   everybody,
		hosts: &hostList{registry: o.Registry, hub: everybody},
		usage: &hostMetrics{summary: o.Summary, hub: everybody},
	}
}

// Connections returns how many dashboards are connected now: WebSockets of any
// dialect whose client has proved who it is.
func (l *Live) Connections() int { return l.hub.size() }

// Routes returns the endpoint under each of its names, and the stream of metrics.
func (l *Live) Routes() []edge.Route {
	routes := []edge.Route{{
		Path: "/api/metrics/realtime", Permission: edge.Read,
		Socket: l.serveMetrics, MaxMessageBytes: maxMessageBytes,
	}}
	// Routers nested in the way of existing dashboards, and the default path of
	// Socket.IO's client.
	for _, path := range []string{"/ws", "/ws/ws", "/api/ws", "/socket.io"} {
		routes = append(routes, edge.Route{
			Path: path, Permission: edge.Public, // Socket.IO's clients prove themselves later
			Handler: explain, Socket: l.serve, MaxMessageBytes: maxMessageBytes,
			Subprotocols: []string{"corral.v1"},
		})
	}
	return routes
}

// serve speaks the dialect that the client asks for.
func (l *Live) serve(ctx context.Context, r *edge.Request, s *edge.Socket) error {
	if r.Query.Has("EIO") {
		return l.serveSocketIO(ctx, r, s)
	}
	return l.serveRaw(ctx, r, s)
}

// explain answers who asks for no WebSocket. With EIO in the query that is
// Socket.IO's polling transport, whose client knows this answer.
func explain(_ context.Context, r *edge.Request) (*edge.Response, error) {
	if r.Query.Has("EIO") {
		return edge.JSON(400, struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		}{0, "Transport unknown"})
	}
	resp := edge.Text(426, "This is a WebSocket endpoint: connect to it with ws:// or wss://, or with Socket.IO and transports: ['websocket'].\n")
	resp.Header = append(resp.Header, edge.HeaderField{Name: "Upgrade", Value: "websocket"})
	return resp, nil
}
