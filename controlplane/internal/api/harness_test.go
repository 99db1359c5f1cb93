package api

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/auth"
	"github.com/corral-fleet/corral/controlplane/internal/chat"
	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models"
	"github.com/corral-fleet/corral/controlplane/internal/models/operations"
	"github.com/corral-fleet/corral/controlplane/internal/models/pace"
	"github.com/corral-fleet/corral/controlplane/internal/pki"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
	"github.com/corral-fleet/corral/controlplane/internal/settings"
	"github.com/corral-fleet/corral/controlplane/internal/sqlite"
	"github.com/corral-fleet/corral/controlplane/internal/storages"
	"github.com/corral-fleet/corral/controlplane/internal/summary"
	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage/memory"
	"github.com/corral-fleet/corral/sdk/wire"
)

// noon is when every test takes place.
func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// fixture is the API over real parts, but for the agents and their models.
type fixture struct {
	*relaytest.Server
	api      *API
	db       *sqlite.DB
	tickets  *auth.Tickets[edge.Caller]
	keys     *auth.Keyring
	registry *fleet.Registry
	link     *agents
	plugin   *memoryPlugin
	events   *fleet.Events
	reasons  []string // not to be ready
	reset    []fleet.BreakerFilter

	models       *models.Service
	operations   *operations.Operations
	modelTickets *models.Tickets
}

// start serves the API. Two hosts have joined: alpha, which is connected and has
// the models of [relaytest.Fleet], and beta, which is away.
func start(t *testing.T, forward relaytest.Forward) *fixture {
	t.Helper()
	log := hclog.NewNullLogger()
	db, err := sqlite.Open(t.Context(), t.TempDir(), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	authority, err := pki.Load(t.TempDir(), noon, log)
	if err != nil {
		t.Fatal(err)
	}
	tokens := auth.NewJoinTokens(db, authority.Certificate(), noon)
	manager := settings.New(settings.Loaded{Config: settings.Default(), Origins: config.Origins{
		"server.log_level": {Layer: config.Flag, Source: "--log-level"},
	}}, db)
	if err := manager.Load(t.Context()); err != nil {
		t.Fatal(err)
	}

	f := &fixture{
		db: db, tickets: auth.NewTickets[edge.Caller](noon), keys: auth.NewKeyring(db, noon, log),
		registry: fleet.NewRegistry(nil), link: &agents{}, plugin: &memoryPlugin{Backend: memory.New(8 << 20)}, events: fleet.NewEvents(noon),
	}
	kept := storages.New(storages.Options{
		Store: db, Plugins: f.plugin, Events: f.events, Log: log, Now: noon,
		Pinned:  []storages.Pinned{{Storage: fleet.Storage{Name: "pinned", Plugin: "mem"}, SetIn: "corral.yaml:3"}},
		BuiltIn: fleet.Storage{Name: "default", Plugin: "mem"},
	})
	if err := kept.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, view := range relaytest.Fleet() {
		secret, _, err := tokens.CreateToken(t.Context(), auth.TokenSpec{TTL: time.Hour, Uses: 1})
		if err != nil {
			t.Fatal(err)
		}
		host := view.Host
		host.PublicKey = []byte{byte(i)}
		if host, err = db.Enrol(t.Context(), secret.Hash(), noon(), host); err != nil {
			t.Fatal(err)
		}
		f.registry.Put(host)
		if view.State.Reachable() {
			f.registry.Connect(host.ID, 1, noon(), 0)
			f.registry.Report(host.ID, 1, noon(), view.Instances)
		}
	}
	f.operations, f.modelTickets = operations.New(db, noon, log), models.NewTickets(f.registry.Has, noon)
	f.models = models.New(models.Options{
		Store: db, View: f.registry, Storages: shelves{kept}, Loaders: anything{}, Workers: nobodyWorks{}, Operations: f.operations, PeerTickets: models.NewPeerTickets(noon),
		CacheBytes: func() int64 { return 0 }, LastUses: func(context.Context) ([]fleet.LastUse, error) { return nil, nil },
		Uses: func(string) map[string]time.Time { return nil },
		Rate: func() int64 { return 0 }, Log: log, Now: noon,
	})
	f.api = New(Options{
		Summary:      summary.New(f.registry, requests{}, func() int { return 2 }, noStorages, f.models.Models, "1.2.3", noon),
		Catalogue:    f.models,
		ModelTickets: f.modelTickets,
		Programs:     f,
		ModelPace:    pace.New(func() int64 { return 0 }),
		Operations:   f.operations,
		Settings:     manager,
		Registry:     f.registry,
		Hosts:        db,
		Link:         f.link,
		Keys:         f.keys,
		Tokens:       tokens,
		Tickets:      f.tickets,
		Sessions:     auth.NewSessions(f.keys, db, manager.Current().Security.JWTSecret.Reveal, noon),
		Version:      "1.2.3",
		History:      db,
		Usage:        db,
		Captures:     db,
		Storages:     kept,
		Events:       f.events,
		Plugins:      oneOfEach{},
		LostUsage:    func() uint64 { return 3 },
		Chat:         chat.New(forward, noon),
		Decisions:    decided{},
		Breakers:     f,
		Queues:       f,
		DecodeSample: decodeSample,
		Native: func(_ context.Context, r *edge.Request) (*edge.Response, error) {
			return edge.Text(200, "native "+string(r.Body)), nil
		},
		Ready: func() []string { return f.reasons },
		Log:   log,
		Now:   noon,
	})
	f.Server = relaytest.Serve(t, f.api.Routes())
	return f
}

// requests are the counts of a server that has been used.
type requests struct{}

func (requests) Requests() int64             { return 42 }
func (requests) MeanResponse() time.Duration { return 1500 * time.Microsecond }

// Program is the one program that may be run.
func (f *fixture) Program(sum string) (io.ReadCloser, int64, error) {
	if sum != "abc" {
		return nil, 0, fault.New(fault.NotFound, "there is no such program")
	}
	return io.NopCloser(strings.NewReader("a program")), 9, nil
}

// decided has one decision.
type decided struct{}

func (decided) Decision(id string) (fleet.Decision, error) {
	if id != "r1-2a" {
		return fleet.Decision{}, fault.New(fault.NotFound, "there is no routing decision %q", id)
	}
	return fleet.Decision{ID: id, Host: "alpha", Candidates: []fleet.Candidate{}}, nil
}

// decodeSample reads of a sample what tests look at.
func decodeSample(payload []byte, takenAt time.Time) (*fleet.Sample, error) {
	var s wire.Sample
	if err := wire.DecodeSample(payload, &s); err != nil {
		return nil, err
	}
	return &fleet.Sample{TakenAt: takenAt, UptimeSeconds: int64(s.UptimeSec)}, nil
}

// agents stands in for the agents of all hosts.
type agents struct {
	restarted []string
	forgotten []string
	asked     string // of a log
	log       *fleet.Answer
	err       error
}

func (a *agents) Logs(_ context.Context, to fleet.Target, lines int, follow bool) (*fleet.Answer, error) {
	a.asked = strings.Join([]string{to.HostID, to.Instance, time.Duration(lines).String()}, " ")
	if follow {
		a.asked += " follow"
	}
	return a.log, a.err
}

func (a *agents) RestartInstance(_ context.Context, hostID, instance string) error {
	a.restarted = append(a.restarted, hostID+" "+instance)
	return a.err
}

func (a *agents) ReleaseGPUs(_ context.Context, hostID string, d time.Duration) error {
	a.asked = hostID + " release " + d.String()
	return a.err
}

func (a *agents) AcquireGPUs(_ context.Context, hostID string) error {
	a.asked = hostID + " acquire"
	return a.err
}

func (a *agents) Forget(hostID string) { a.forgotten = append(a.forgotten, hostID) }

// says answers a chat as a real Ollama does, in these pieces and with end at the end.
func says(end error, lines ...string) relaytest.Forward {
	return func(_ context.Context, model string, _ fleet.Call) (*fleet.Answer, error) {
		if model != "tiny" {
			return relaytest.NoModels(context.Background(), model, fleet.Call{})
		}
		return relaytest.Stream("application/x-ndjson", end, lines...), nil
	}
}

const (
	hello    = `{"model":"tiny","message":{"role":"assistant","content":"Hello"},"done":false}` + "\n"
	world    = `{"model":"tiny","message":{"role":"assistant","content":" world"},"done":false}` + "\n"
	finished = `{"model":"tiny","message":{"role":"assistant","content":"!"},"done":true,"done_reason":"stop","eval_count":3}` + "\n"
)

// errorOf is how a dashboard is told of an error.
func errorOf(kind fault.Kind, message string) string {
	return `{"code":"` + kind.String() + `","error":"` + message + `"}`
}

var errReset = errors.New("connection reset")

func nobody(context.Context, string, fleet.Call) (*fleet.Answer, error) {
	return nil, io.ErrUnexpectedEOF
}

func noStorages() []summary.StorageStatus { return []summary.StorageStatus{} }
