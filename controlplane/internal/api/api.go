// Package api answers to the dashboard's HTTP routes.
package api

import (
	"context"
	"encoding/json"
	"io"
	"net/url"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/auth"
	"github.com/corral-fleet/corral/controlplane/internal/chat"
	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models"
	"github.com/corral-fleet/corral/controlplane/internal/models/fit"
	"github.com/corral-fleet/corral/controlplane/internal/models/pace"
	"github.com/corral-fleet/corral/controlplane/internal/settings"
	"github.com/corral-fleet/corral/controlplane/internal/storages"
	"github.com/corral-fleet/corral/controlplane/internal/summary"
	"github.com/corral-fleet/corral/sdk/host/plugins"
	"github.com/corral-fleet/corral/sdk/host/trust"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/wire"
)

// The parts of the program that the routes ask, each as little of it as they need.
type (
	// Summary says how the fleet is.
	Summary interface {
		Models() []fleet.Model
		Metrics() summary.Metrics
		Status() summary.SystemStatus
	}
	// Settings are read and changed.
	Settings interface {
		Public() ([]byte, error)
		Patch(ctx context.Context, body []byte) (settings.Change, error)
		PendingRestart() []string
	}
	// Registry is what is known of the hosts now.
	Registry interface {
		Hosts() []fleet.HostView
		Find(idOrName string) (fleet.HostView, error)
		Put(h fleet.Host)
		Remove(id string)
	}
	// HostStore is what is stored of them.
	HostStore interface {
		SaveHost(ctx context.Context, h fleet.Host) error
		RemoveHost(ctx context.Context, id string) error
	}
	// Link reaches their agents.
	Link interface {
		Logs(ctx context.Context, to fleet.Target, lines int, follow bool) (*fleet.Answer, error)
		RestartInstance(ctx context.Context, hostID, instance string) error
		ReleaseGPUs(ctx context.Context, hostID string, d time.Duration) error
		AcquireGPUs(ctx context.Context, hostID string) error
		Forget(hostID string)
	}
	// Keys are the API keys.
	Keys interface {
		Create(ctx context.Context, name string, role fleet.Role, priority int) (auth.Secret, fleet.Key, error)
		SetPriority(ctx context.Context, id string, priority int) (fleet.Key, error)
		Keys(ctx context.Context) ([]fleet.Key, error)
		Revoke(ctx context.Context, id string) error
	}
	// Tokens let agents join.
	Tokens interface {
		CreateToken(ctx context.Context, spec auth.TokenSpec) (wire.JoinToken, fleet.Token, error)
		Tokens(ctx context.Context) ([]fleet.Token, error)
		RevokeToken(ctx context.Context, id string) error
	}
	// Tickets let their holders open one WebSocket each.
	Tickets interface {
		Issue(holder edge.Caller) (auth.Secret, error)
	}
	// Sessions let browsers in.
	Sessions interface {
		ByKey(ctx context.Context, key string) (auth.Session, error)
		ByLink(ctx context.Context, link string) (auth.Session, error)
	}
	// History keeps the samples of hosts.
	History interface {
		Samples(ctx context.Context, hostID string, from, to time.Time, fn func(fleet.SampleRow) error) error
	}
	// Decisions are why requests went where they did.
	Decisions interface {
		Decision(id string) (fleet.Decision, error)
	}
	// Breakers keep requests away from what fails.
	Breakers interface {
		Breakers() []fleet.Breaker
		ResetBreakers(which fleet.BreakerFilter) (opened int)
	}
	// Queues tells who waits.
	Queues interface{ Lines() []fleet.Line }
	// Usage is what requests used.
	Usage interface {
		UsageRows(ctx context.Context, f fleet.UsageFilter, after fleet.UsagePlace, limit int) ([]fleet.UsageRow, fleet.UsagePlace, error)
		UsageTotals(ctx context.Context, f fleet.UsageFilter, by fleet.UsageGroup, limit int) ([]fleet.UsageTotal, error)
	}
	// Captures are what requests asked and were answered.
	Captures interface {
		Capture(ctx context.Context, id string) (fleet.Capture, error)
		DeleteCaptures(ctx context.Context) error
	}
	// Storages keep files.
	Storages interface {
		Storages(ctx context.Context) []storages.View
		Storage(ctx context.Context, name string) (storages.View, error)
		Create(ctx context.Context, spec storages.Spec, trial storages.Trial) (storages.View, error)
		Change(ctx context.Context, name string, spec storages.Spec, trial storages.Trial) (storages.View, error)
		Remove(ctx context.Context, name string) (storages.View, error)
		Check(ctx context.Context, name string) (storages.View, error)
		Try(ctx context.Context, name string, spec storages.Spec, trial storages.Trial) error

		Files(ctx context.Context, name string, q storages.Query) (storages.Listing, error)
		File(ctx context.Context, name, path string) (storages.File, error)
		Read(ctx context.Context, name, path string, r storage.Range) (io.ReadCloser, error)
		Write(ctx context.Context, name, path string, u storages.Upload) (storages.File, error)
		Delete(ctx context.Context, name, path string) error
	}
	// Plugins are the programs that serve storages.
	Plugins interface {
		Plugins() []plugins.Status
		Describe(ctx context.Context, id plugins.ID) (json.RawMessage, error)
		Rollback(id plugins.ID) error
	}
	// Installer puts programs of plugins in place.
	Installer interface {
		// Install keeps a program that has this sha256, and runs nothing.
		Install(ctx context.Context, program io.Reader, sha256 string) error
		// Approve lets it be run.
		Approve(ctx context.Context, sha256 string) (trust.Entry, error)
		Remove(ctx context.Context, sha256 string) error
	}
	// Events are what has happened of late.
	Events interface {
		After(id uint64, limit int) []fleet.Event
	}
	// Catalogue has the models that are stored, and says which hosts are to have them.
	Catalogue interface {
		Want(ctx context.Context, name string, w models.Where) ([]fleet.HostView, error)
		Delete(ctx context.Context, name string, d models.Deletion) error
		Restore(ctx context.Context, name string) (fleet.StoredModel, error)
		// Describe returns the names of the models that lost an alias by it.
		Describe(ctx context.Context, name string, p models.Patch) (lost []string, err error)
		Fits(name string, hosts []string, a fit.Ask) ([]fit.Fit, error)
	}
	// ModelTickets let hosts read single files.
	ModelTickets interface {
		CheckFile(storage string, query url.Values) error
		CheckProgram(sha256 string, query url.Values) error
	}
	// Programs are those of plugins that may be run.
	Programs interface {
		// Program opens one by its digest; one that may not be run is fault.NotFound.
		Program(sha256 string) (program io.ReadCloser, sizeBytes int64, err error)
	}
	// Operations are what takes a while.
	Operations interface {
		List() []fleet.Operation
		// UnderWay returns those that have not ended.
		UnderWay() []fleet.Operation
		Get(id string) (fleet.Operation, error)
		Cancel(ctx context.Context, id string) (fleet.Operation, error)
		Retry(ctx context.Context, id string) (fleet.Operation, error)
	}
	// Chat asks models.
	Chat interface {
		Ask(ctx context.Context, q chat.Question, onPiece func(chat.Piece) error) (*chat.Reply, error)
	}
)

// Options are what an [API] works with. All fields are required.
type Options struct {
	Summary   Summary
	Settings  Settings
	Registry  Registry
	Hosts     HostStore
	Link      Link
	Keys      Keys
	Tokens    Tokens
	Tickets   Tickets
	Sessions  Sessions
	Version   string // of the program
	History   History
	Chat      Chat
	Usage     Usage
	Captures  Captures
	Storages  Storages
	Events    Events
	Plugins   Plugins
	Installer Installer
	Catalogue Catalogue
	// ModelTickets are of the addresses that hosts are given.
	ModelTickets ModelTickets
	Programs     Programs
	ModelPace    *pace.Limiter // of what hosts read of files
	Operations   Operations
	// LostUsage returns how many requests Usage lacks since the server started.
	LostUsage func() uint64
	// Decisions and Breakers are of the router.
	Decisions Decisions
	Breakers  Breakers
	Queues    Queues
	// DecodeSample reads a stored sample's payload. It must not keep the payload.
	DecodeSample func(payload []byte, takenAt time.Time) (*fleet.Sample, error)
	// Native answers to Ollama's own body on the path of the dashboard's chat.
	Native edge.Handler
	// Ready returns why the server can't serve yet, a sentence for each reason;
	// none when it can.
	Ready func() []string
	Log   hclog.Logger
	Now   func() time.Time
}

// API is the dashboard's API. Its methods may be called concurrently.
type API struct {
	Options
	changing sync.Mutex // held from reading a stored host to saving it
}

// New returns the API.
func New(o Options) *API {
	return &API{Options: o}
}

// Routes returns every route.
func (a *API) Routes() []edge.Route {
	routes := []edge.Route{
		{Method: "GET", Path: "/healthz", Permission: edge.Public, Handler: a.healthz},
		{Method: "GET", Path: "/readyz", Permission: edge.Public, Handler: a.readyz},

		{Method: "GET", Path: "/api/system/status", Permission: edge.Read, Handler: a.status},
		{Method: "GET", Path: "/api/metrics", Permission: edge.Read, Handler: a.metrics},
		{Method: "GET", Path: "/api/history", Permission: edge.Read, Handler: a.history, Watch: true},
		{Method: "GET", Path: "/api/usage", Permission: edge.Read, Handler: a.usage},
		{Method: "GET", Path: "/api/usage/requests", Permission: edge.Read, Handler: a.usageRequests},
		{Method: "GET", Path: "/api/usage/requests/{id}/capture", Permission: edge.Operate, Handler: a.capture},
		{Method: "DELETE", Path: "/api/usage/captures", Permission: edge.Administer, Handler: a.deleteCaptures},
		{Method: "GET", Path: "/api/models", Permission: edge.Read, Handler: a.models},
		{Method: "GET", Path: "/api/models/{id}", Permission: edge.Read, Handler: a.model},
		{Method: "GET", Path: "/api/models/{id}/fit", Permission: edge.Read, Handler: a.modelFit},
		{Method: "DELETE", Path: "/api/models/{id}", Permission: edge.Operate, Handler: a.deleteModel},
		{Method: "PATCH", Path: "/api/models/{id}", Permission: edge.Operate, Handler: a.changeModel},
		{Method: "POST", Path: "/api/models/{id}/restore", Permission: edge.Operate, Handler: a.restoreModel},
		{Method: "POST", Path: "/api/models/{id}/download", Permission: edge.Operate, Handler: a.downloadModel},

		{Method: "GET", Path: "/api/operations", Permission: edge.Read, Handler: a.operations},
		{Method: "GET", Path: "/api/operations/{id}", Permission: edge.Read, Handler: a.operation},
		{Method: "POST", Path: "/api/operations/{id}/cancel", Permission: edge.Operate, Handler: a.cancelOperation},
		{Method: "POST", Path: "/api/operations/{id}/retry", Permission: edge.Operate, Handler: a.retryOperation},

		// For hosts, which prove themselves by what the address says.
		{Method: "GET", Path: models.FilePath + "{name}", Permission: edge.Public, Handler: a.modelFile, Watch: true, Exempt: true},
		{Method: "GET", Path: models.ProgramPath + "{sha256}", Permission: edge.Public, Handler: a.program, Watch: true, Exempt: true},

		{Method: "POST", Path: "/api/chat", Permission: edge.Infer, Handler: a.chat, Watch: true, MaxBodyBytes: maxChatBytes},
		{Method: "POST", Path: "/api/chat/stream", Permission: edge.Infer, Handler: a.chatStream, Watch: true, MaxBodyBytes: maxChatBytes},

		{Method: "GET", Path: "/api/routing/decisions/{id}", Permission: edge.Read, Handler: a.decision},
		{Method: "GET", Path: "/api/routing/queues", Permission: edge.Read, Handler: a.queues},
		{Method: "GET", Path: "/api/routing/breakers", Permission: edge.Read, Handler: a.breakers},
		{Method: "POST", Path: "/api/routing/breakers/reset", Permission: edge.Operate, Handler: a.resetBreakers},

		{Method: "GET", Path: "/api/storage", Permission: edge.Read, Handler: a.storages},
		{Method: "POST", Path: "/api/storage", Permission: edge.Operate, Handler: a.createStorage, Watch: true},
		{Method: "GET", Path: "/api/storage/{name}", Permission: edge.Read, Handler: a.storage},
		{Method: "PUT", Path: "/api/storage/{name}", Permission: edge.Operate, Handler: a.changeStorage, Watch: true},
		{Method: "DELETE", Path: "/api/storage/{name}", Permission: edge.Operate, Handler: a.removeStorage},
		{Method: "POST", Path: "/api/storage/{name}/check", Permission: edge.Operate, Handler: a.checkStorage, Watch: true},
		{Method: "GET", Path: "/api/storage/{name}/files", Permission: edge.Read, Handler: a.files, Watch: true},
		{Method: "GET", Path: "/api/storage/{name}/file", Permission: edge.Read, Handler: a.file, Watch: true},
		{
			Method: "PUT", Path: "/api/storage/{name}/file", Permission: edge.Operate, Handler: a.putFile, Watch: true,
			Streaming: true, MaxBodyBytes: -1, BodyTypes: []string{"application/octet-stream"},
		},
		{Method: "DELETE", Path: "/api/storage/{name}/file", Permission: edge.Operate, Handler: a.deleteFile, Watch: true},

		{Method: "GET", Path: "/api/plugins", Permission: edge.Read, Handler: a.plugins},
		{Method: "GET", Path: "/api/plugins/{sha256}", Permission: edge.Read, Handler: a.plugin},
		{Method: "GET", Path: "/api/plugins/{kind}/{name}", Permission: edge.Read, Handler: a.describePlugin, Watch: true},
		{
			Method: "POST", Path: "/api/plugins", Permission: edge.Administer, Handler: a.installPlugin, Watch: true,
			Streaming: true, MaxBodyBytes: maxPluginBytes, BodyTypes: []string{"application/octet-stream"},
		},
		{Method: "POST", Path: "/api/plugins/{sha256}/approve", Permission: edge.Administer, Handler: a.approvePlugin, Watch: true},
		{Method: "DELETE", Path: "/api/plugins/{sha256}", Permission: edge.Administer, Handler: a.uninstallPlugin},
		{Method: "POST", Path: "/api/plugins/{kind}/{name}/rollback", Permission: edge.Administer, Handler: a.rollbackPlugin},
		{Method: "GET", Path: "/api/events", Permission: edge.Read, Handler: a.events},

		{Method: "GET", Path: "/api/config", Permission: edge.Read, Handler: a.config},
		{Method: "POST", Path: "/api/config", Permission: edge.Administer, Handler: a.changeConfig},
		{Method: "GET", Path: "/api/keys", Permission: edge.Administer, Handler: a.keys},
		{Method: "POST", Path: "/api/keys", Permission: edge.Administer, Handler: a.createKey},
		{Method: "PATCH", Path: "/api/keys/{id}", Permission: edge.Administer, Handler: a.changeKey},
		{Method: "DELETE", Path: "/api/keys/{id}", Permission: edge.Administer, Handler: a.revokeKey},
		{Method: "GET", Path: "/api/tokens", Permission: edge.Administer, Handler: a.tokens},
		{Method: "DELETE", Path: "/api/tokens/{id}", Permission: edge.Administer, Handler: a.revokeToken},
		{Method: "POST", Path: "/api/tokens", Permission: edge.Operate, Handler: a.createToken},
		{Method: "POST", Path: "/api/tickets", Permission: edge.Read, Handler: a.createTicket},
		{Method: "POST", Path: "/api/login", Permission: edge.Public, Handler: a.login, SetsCookie: true, MaxBodyBytes: maxLoginBytes},
		{Method: "POST", Path: "/api/logout", Permission: edge.Public, Handler: a.logout, SetsCookie: true, MaxBodyBytes: maxLoginBytes},
		{Method: "GET", Path: "/api/session", Permission: edge.Read, Handler: a.session},

		{Method: "GET", Path: "/api/hosts", Permission: edge.Read, Handler: a.hosts},
		{Method: "GET", Path: "/api/hosts/{id}", Permission: edge.Read, Handler: a.host},
		{Method: "PATCH", Path: "/api/hosts/{id}", Permission: edge.Operate, Handler: a.changeHost},
		{Method: "DELETE", Path: "/api/hosts/{id}", Permission: edge.Operate, Handler: a.removeHost},
		{Method: "POST", Path: "/api/hosts/{id}/approve", Permission: edge.Operate, Handler: a.approve},
		{Method: "POST", Path: "/api/hosts/{id}/drain", Permission: edge.Operate, Handler: a.drain(true)},
		{Method: "POST", Path: "/api/hosts/{id}/undrain", Permission: edge.Operate, Handler: a.drain(false)},
		{Method: "GET", Path: "/api/hosts/{id}/logs", Permission: edge.Operate, Handler: a.logs, Watch: true},
		{Method: "GET", Path: "/api/hosts/{id}/gpus", Permission: edge.Read, Handler: a.gpus},
		{Method: "GET", Path: "/api/hosts/{id}/gpus/processes", Permission: edge.Operate, Handler: a.gpuProcesses},
		{Method: "POST", Path: "/api/hosts/{id}/gpus/release", Permission: edge.Operate, Handler: a.releaseGPUs, Watch: true},
		{Method: "POST", Path: "/api/hosts/{id}/gpus/acquire", Permission: edge.Operate, Handler: a.acquireGPUs, Watch: true},
		{Method: "POST", Path: "/api/hosts/{id}/ollama/{instance}/restart", Permission: edge.Operate, Handler: a.restart, Watch: true},
	}
	return append(routes, unbuiltRoutes()...)
}
