// Package controlplane puts the server together. Reading it shows the whole
// program: what runs, and who tells whom.
package controlplane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/agentlink"
	"github.com/corral-fleet/corral/controlplane/internal/api"
	"github.com/corral-fleet/corral/controlplane/internal/auth"
	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/history"
	"github.com/corral-fleet/corral/controlplane/internal/limits"
	"github.com/corral-fleet/corral/controlplane/internal/models"
	"github.com/corral-fleet/corral/controlplane/internal/pki"
	"github.com/corral-fleet/corral/controlplane/internal/router"
	"github.com/corral-fleet/corral/controlplane/internal/settings"
	"github.com/corral-fleet/corral/controlplane/internal/sqlite"
	"github.com/corral-fleet/corral/controlplane/internal/stats"
	"github.com/corral-fleet/corral/controlplane/internal/usage"
	"github.com/corral-fleet/corral/sdk/sdnotify"
	"github.com/corral-fleet/corral/sdk/wire"
	"github.com/corral-fleet/corral/sdk/wire/nowait"
)

// PKIFolder is where in the data directory the certificates are.
const PKIFolder = "pki"

// grace is how long answers under way may take once the server is told to end.
const grace = 10 * time.Second

// ControlPlane is the server.
type ControlPlane struct {
	loaded  settings.Loaded
	version string
	log     hclog.Logger
	now     func() time.Time
}

// New returns a server that does nothing until Run.
func New(loaded settings.Loaded, version string, log hclog.Logger) *ControlPlane {
	return &ControlPlane{loaded: loaded, version: version, log: log, now: time.Now}
}

// Run serves until ctx ends and returns nil when everything has ended, or the
// first error of a part that cannot go on. How it is, it tells the service that it
// is run as.
func (c *ControlPlane) Run(ctx context.Context, service sdnotify.Service) (err error) {
	dir := c.loaded.Config.DataDir
	claimed, err := claim(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, claimed.Close()) }()
	db, err := sqlite.Open(ctx, dir, c.log.Named("sqlite"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	authority, err := pki.Load(filepath.Join(dir, PKIFolder), c.now, c.log.Named("pki"))
	if err != nil {
		return err
	}
	runDir, removeRunDir, err := pluginRunDir(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeRunDir()) }()
	parts, err := c.assemble(ctx, db, authority, runDir, service)
	if err != nil {
		return err
	}
	return parts.run(ctx)
}

// parts are what the server is made of, and run beside each other.
type parts struct {
	serve   func(context.Context) error
	support map[string]func(context.Context) error // ends after serve has
}

// assemble makes the parts and tells each of the others.
func (c *ControlPlane) assemble(ctx context.Context, db *sqlite.DB, authority *pki.Authority, runDir string, service sdnotify.Service) (*parts, error) {
	manager := settings.New(c.loaded, db)
	if err := manager.Load(ctx); err != nil {
		return nil, err
	}
	c.followLogLevel(manager)
	keys := auth.NewKeyring(db, c.now, c.log.Named("auth"))
	if err := keys.Reload(ctx); err != nil {
		return nil, fmt.Errorf("load keys: %w", err)
	}
	counts := stats.New(db, c.now, c.log.Named("stats"))
	if err := counts.Load(ctx); err != nil {
		return nil, err
	}
	hosts, err := db.Hosts(ctx)
	if err != nil {
		return nil, fmt.Errorf("load hosts: %w", err)
	}
	registry := fleet.NewRegistry(hosts)
	samples := history.New(db, c.log.Named("history"))
	peerTickets := models.NewPeerTickets(c.now)
	link := agentlink.New(agentlink.Options{
		Hosts: db, Registry: registry, History: samples,
		CACertificates: authority.CertificatePEM(), PeerTickets: peerTickets, DeadAfter: deadAfterOf(manager),
		CPUOnly: func() bool { return !manager.Current().Models.GPUEnabled }, Log: c.log.Named("agents"), Now: c.now,
	})
	guard, err := router.NewGuard(c.now)
	if err != nil {
		return nil, err
	}
	if err := followRouting(manager, guard, c.log.Named("router")); err != nil {
		return nil, err
	}
	forward := router.New(registry, link, counts, guard, queueOf(manager), c.now)
	ledger := usage.New(usage.Options{
		Next:  limits.New(forward, limitsOf(manager)),
		Store: db, Retention: retentionOf(manager), Captures: capturesOf(manager), Now: c.now, Log: c.log.Named("usage"),
	})
	tellOfCaptures(manager, c.log.Named("usage"))
	tickets := auth.NewTickets[edge.Caller](c.now)
	sessions := auth.NewSessions(keys, db, func() string { return manager.Current().Security.JWTSecret.Reveal() }, c.now)
	endSessionsWithSecret(manager, keys)
	authn := &authenticator{keys: keys, sessions: sessions, tickets: tickets, settings: manager.Current}
	serving := newPlugins(&c.loaded.Config, runDir, os.Environ(), c.log.Named("plugins"))
	happened := fleet.NewEvents(c.now)
	kept, err := c.storages(ctx, db, serving, happened)
	if err != nil {
		return nil, err
	}
	known, err := c.catalogue(ctx, db, registry, link, kept, serving.manager, manager, peerTickets, forward.Uses)
	if err != nil {
		return nil, err
	}
	incoming, err := c.incoming(ctx, db, known, registry, kept, manager)
	if err != nil {
		return nil, err
	}
	surface := &surface{
		uploads: incoming.uploads, blobs: incoming.blobs, maker: incoming.maker, catalogue: known, storages: kept, events: happened, plugins: serving.manager,
		installer: &installer{dir: filepath.Join(c.loaded.Config.DataDir, InstalledDir), lock: filepath.Join(c.loaded.Config.DataDir, LockName)},
		db:        db, manager: manager, keys: keys, registry: registry, samples: samples, link: link, counts: counts,
		tokens: auth.NewJoinTokens(db, authority.Certificate(), c.now), tickets: tickets, sessions: sessions, forward: ledger, router: forward,
		ledger: ledger, authn: authn, version: c.version, log: c.log, now: c.now,
	}
	routes := edge.NewRouter()
	routes.Route(edge.Route{
		Method: "GET", Path: wire.LinkPath, Permission: edge.Public, Exempt: true, Subprotocols: []string{wire.Subprotocol},
		Upgrade: func(ctx context.Context, _ *edge.Request, ws *websocket.Conn) error { return link.Serve(ctx, ws) },
	})
	support := map[string]func(context.Context) error{
		"sqlite": db.Run, "agents": link.Run, "keys": keys.Run, "stats": counts.Run, "history": samples.Run, "usage": ledger.Run, "router": forward.Run, "pki": authority.Run,
		"plugins": serving.Run, "storages": kept.Run, "models": known.Run, "operations": known.operations.Run,
		"uploads": incoming.uploads.Run, "blobs": incoming.blobs.Run, "arrivals": incoming.arrivals.Run,
	}
	if err := surface.add(routes, support); err != nil {
		return nil, err
	}
	server, err := edge.New(edge.Config{
		Authenticator: authn, Policy: policyOf(manager), TLS: authority.TLSConfig(), Hostnames: hostnames(),
		SessionCookie: api.SessionCookie, Grace: grace, Log: c.log.Named("edge"),
	}, routes)
	if err != nil {
		return nil, err
	}
	app := manager.Current()
	serve := func(ctx context.Context) error {
		listener, err := listen(ctx, app.Server.Host, app.Server.Port)
		if err != nil {
			return err
		}
		c.log.Info("listening", "address", listener.Addr().String(), "version", c.version)
		ended := c.begin(listener.Addr().String(), app.AtStart())
		defer ended()
		defer tellService(ctx, service, listener.Addr(), registry)()
		return server.Run(ctx, nowait.Listener(listener))
	}
	return &parts{serve: serve, support: support}, nil
}

// followLogLevel applies a changed level at once.
func (c *ControlPlane) followLogLevel(manager *settings.Manager) {
	apply := func() { c.log.SetLevel(hclog.LevelFromString(manager.Current().Server.LogLevel)) }
	apply()
	manager.Subscribe(func(change settings.Change) {
		if change.Has("server.log_level") {
			apply()
		}
	})
}

// endSessionsWithSecret ends what sessions have opened when the secret that
// signed them changes; from then on they let nobody in.
func endSessionsWithSecret(manager *settings.Manager, keys *auth.Keyring) {
	manager.Subscribe(func(change settings.Change) {
		if change.Has("security.jwt_secret") {
			keys.EndSessions()
		}
	})
}

// hostnames are the names by which this machine is rightly called.
func hostnames() []string {
	name, err := os.Hostname()
	if err != nil {
		return nil
	}
	return []string{name}
}

// run runs everything until ctx ends or a part fails. What serves ends first,
// so that what it did last is still stored.
func (p *parts) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	supporting, endSupport := context.WithCancel(context.WithoutCancel(ctx))
	defer endSupport()
	var working sync.WaitGroup
	errs := make(chan error, len(p.support))
	for name, run := range p.support {
		working.Go(func() {
			if err := run(supporting); err != nil {
				err = fmt.Errorf("%s: %w", name, err)
				errs <- err
				cancel(err)
			}
		})
	}
	err := p.serve(ctx)
	endSupport()
	working.Wait()
	close(errs)
	for e := range errs {
		err = errors.Join(err, e)
	}
	return err
}
