package controlplane

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/dashboard"
	"github.com/corral-fleet/corral/controlplane/internal/agentlink"
	"github.com/corral-fleet/corral/controlplane/internal/api"
	"github.com/corral-fleet/corral/controlplane/internal/auth"
	"github.com/corral-fleet/corral/controlplane/internal/chat"
	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/history"
	"github.com/corral-fleet/corral/controlplane/internal/live"
	"github.com/corral-fleet/corral/controlplane/internal/models/pace"
	"github.com/corral-fleet/corral/controlplane/internal/ollamaapi"
	"github.com/corral-fleet/corral/controlplane/internal/openaiapi"
	"github.com/corral-fleet/corral/controlplane/internal/relay"
	"github.com/corral-fleet/corral/controlplane/internal/router"
	"github.com/corral-fleet/corral/controlplane/internal/settings"
	"github.com/corral-fleet/corral/controlplane/internal/sqlite"
	"github.com/corral-fleet/corral/controlplane/internal/stats"
	"github.com/corral-fleet/corral/controlplane/internal/storages"
	"github.com/corral-fleet/corral/controlplane/internal/summary"
	"github.com/corral-fleet/corral/controlplane/internal/uploadapi"
	"github.com/corral-fleet/corral/controlplane/internal/uploads"
	"github.com/corral-fleet/corral/controlplane/internal/usage"
	"github.com/corral-fleet/corral/controlplane/internal/web"
	"github.com/corral-fleet/corral/sdk/host/plugins"
)

// surface is what callers see, and what stands behind it.
type surface struct {
	db        *sqlite.DB
	manager   *settings.Manager
	keys      *auth.Keyring
	tokens    *auth.JoinTokens
	tickets   *auth.Tickets[edge.Caller]
	sessions  *auth.Sessions
	registry  *fleet.Registry
	samples   *history.History
	storages  *storages.Service
	catalogue *catalogue
	uploads   *uploads.Service
	blobs     *uploads.Blobs
	maker     *modelMaker
	events    *fleet.Events
	plugins   *plugins.Manager
	installer *installer
	link      *agentlink.Link
	counts    *stats.Stats
	forward   fleet.Forwarder
	ledger    *usage.Ledger
	router    *router.Router
	authn     *authenticator
	version   string
	log       hclog.Logger
	now       func() time.Time
}

// add adds every route to routes, and to support what has to run for them.
func (s *surface) add(routes *edge.Router, support map[string]func(context.Context) error) error {
	chats := chat.New(s.forward, s.now)
	// The numbers and the sockets that they are pushed to count each other.
	var sockets *live.Live
	overview := summary.New(s.registry, s.counts, func() int { return sockets.Connections() }, storageStatus(s.storages), s.catalogue.Models, s.version, s.now)
	sockets = live.New(live.Options{
		Summary: overview, Chat: chats, Registry: s.registry, Storages: s.storages, Uploads: s.uploads,
		Operations: s.catalogue.operations,
		Catalogue:  s.catalogue.Changed, Authenticator: s.authn, Log: s.log.Named("live"), Now: s.now,
	})
	support["live"] = sockets.Run

	passOn := relay.New(s.forward, requestTimeoutOf(s.manager), s.log.Named("relay"))
	ollama := ollamaapi.New(ollamaapi.Options{
		View: s.registry, Relay: passOn, Calls: s.link, Catalogue: s.catalogue, Operations: s.catalogue.operations, Blobs: s.blobs, Maker: s.maker,
	})
	openai := openaiapi.New(openaiapi.Options{View: s.registry, Relay: passOn})
	own := api.New(api.Options{
		Summary: overview, Settings: s.manager, Registry: s.registry, Hosts: s.db, Link: s.link,
		Keys: s.keys, Tokens: s.tokens, Tickets: s.tickets, Sessions: s.sessions, Version: s.version, History: s.samples, Chat: chats,
		Usage: s.db, LostUsage: s.ledger.Lost, Captures: s.ledger, Storages: s.storages, Events: s.events, Plugins: s.plugins, Installer: s.installer,
		Catalogue: s.catalogue, ModelTickets: s.catalogue.tickets, Programs: programs{s.plugins},
		ModelPace: pace.New(func() int64 { return int64(s.manager.Current().Models.SendRate) }), Operations: s.catalogue.operations,
		Decisions: s.router, Queues: s.router, Breakers: s.router, DecodeSample: agentlink.DecodeSample, Native: ollama.Chat(), Ready: s.ready, Log: s.log.Named("api"), Now: s.now,
	})
	incoming := uploadapi.New(s.uploads, func() int64 { return maxModelSize(s.manager) })
	site, err := web.New(dashboard.Files())
	if err != nil {
		return err
	}
	for _, list := range [][]edge.Route{site.Routes(), own.Routes(), incoming.Routes(), ollama.Routes(), openai.Routes(), sockets.Routes()} {
		for _, route := range list {
			routes.Route(route)
		}
	}
	return nil
}

// readyTimeout is how long the state may take to answer for the server to count
// as ready.
const readyTimeout = 2 * time.Second

// ready returns why the server cannot serve.
func (s *surface) ready() []string {
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	if _, err := s.db.Counters(ctx); err != nil {
		return []string{fmt.Sprintf("the state cannot be read: %v", err)}
	}
	return nil
}
