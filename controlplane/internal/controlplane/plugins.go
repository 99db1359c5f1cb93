package controlplane

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/settings"
	"github.com/corral-fleet/corral/controlplane/internal/storages"
	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/host/plugins"
	"github.com/corral-fleet/corral/sdk/host/trust"
	"github.com/corral-fleet/corral/sdk/plugin"
)

// LockName is where in the data directory the plugins stand that an operator trusts.
const LockName = trust.LockName

// TrustCommand is what an operator types before the path of a plugin to trust it.
const TrustCommand = "corral-controlplane plugin trust"

// InstalledDir is where in the data directory plugins are installed.
const InstalledDir = "plugins"

// pluginDirsOf returns the folders of the plugins: the one that came with the program,
// which may not be written, and the one that they are installed in.
func pluginDirsOf(c *settings.Config) []string {
	shipped, installed := shippedDirOf(c), filepath.Join(c.DataDir, InstalledDir)
	if shipped == installed {
		return []string{installed}
	}
	return []string{shipped, installed}
}

// shippedDirOf returns the program's own folder unless the settings name one.
func shippedDirOf(c *settings.Config) string {
	if c.PluginDir != "" {
		return c.PluginDir
	}
	self, err := os.Executable()
	if err != nil { // no plugin is found then
		return ""
	}
	if real, err := filepath.EvalSymlinks(self); err == nil {
		self = real
	}
	return filepath.Dir(self)
}

// storagePlugins has the plugins of this host serve the storages.
type storagePlugins struct {
	manager *plugins.Manager
	changes *changes
	watched []string // files and folders that say which plugins there are
	log     hclog.Logger
}

func newPlugins(c *settings.Config, runDir string, environ []string, log hclog.Logger) *storagePlugins {
	dirs := pluginDirsOf(c)
	locks := []string{filepath.Join(shippedDirOf(c), trust.LockName), filepath.Join(c.DataDir, LockName)}
	told := newChanges()
	return &storagePlugins{changes: told, watched: slices.Concat(locks, dirs), log: log, manager: plugins.New(plugins.Config{
		Dirs: dirs, Locks: locks, RunDir: runDir, Env: environ, Log: log, TrustCommand: TrustCommand, Changed: told.tell,
	})}
}

// lookInterval is how late it is seen that a plugin was put there, or trusted.
const lookInterval = 2 * time.Second

// Run has the plugins run until ctx ends, and looks again for which there are when
// that has changed.
func (p *storagePlugins) Run(ctx context.Context) error {
	var looking sync.WaitGroup
	defer looking.Wait()
	looking.Go(func() { p.follow(ctx) })
	return p.manager.Run(ctx)
}

func (p *storagePlugins) follow(ctx context.Context) {
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	for before := p.look(); ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := p.look()
		if slices.Equal(before, now) {
			continue
		}
		before = now
		if err := p.manager.Rescan(); err != nil {
			p.log.Error("plugins could not be looked for", "error", err)
		}
	}
}

// look returns when what is watched was changed; zero is not there.
func (p *storagePlugins) look() []time.Time {
	at := make([]time.Time, len(p.watched))
	for i, path := range p.watched {
		if info, err := os.Stat(path); err == nil {
			at[i] = info.ModTime()
		}
	}
	return at
}

// Names implements [storages.Plugins].
func (p *storagePlugins) Names() []string { return p.manager.Names(plugins.Storage("").Kind) }

// Describe implements [storages.Plugins].
func (p *storagePlugins) Describe(ctx context.Context, name string) (storages.Description, error) {
	var about plugin.Description
	body, err := p.manager.Describe(ctx, plugins.Storage(name))
	if err == nil {
		if err = json.Unmarshal(body, &about); err != nil {
			err = fault.Wrap(fault.Internal, err, "the plugin %q says of itself what can't be understood", name).On(fault.Plugin)
		}
	}
	return storages.Description{Version: about.Version, Schema: max(1, about.ConfigVersion), Form: about.Schema, Secrets: about.Secrets}, err
}

// Check implements [storages.Plugins].
func (p *storagePlugins) Check(ctx context.Context, name string, c storages.Configuration, online bool) ([]config.Fault, error) {
	return p.manager.Check(ctx, plugins.Storage(name), configurationOf(c), online)
}

// Migrate implements [storages.Plugins].
func (p *storagePlugins) Migrate(ctx context.Context, name string, c storages.Configuration) (storages.Configuration, error) {
	now, err := p.manager.Migrate(ctx, plugins.Storage(name), configurationOf(c))
	return storages.Configuration{JSON: now.JSON, Secrets: now.Secrets, Schema: now.Version}, err
}

func configurationOf(c storages.Configuration) host.Configuration {
	return host.Configuration{Version: c.Schema, JSON: c.JSON, Secrets: c.Secrets}
}

// Open implements [storages.Plugins].
func (p *storagePlugins) Open(name, storage string, c storages.Configuration) storages.Instance {
	return instance{p.manager.Storage(plugins.Setup{Plugin: plugins.Storage(name), Name: storage, Config: configurationOf(c)})}
}

// Changed implements [storages.Plugins].
func (p *storagePlugins) Changed() <-chan struct{} { return p.changes.next() }

// closeTimeout is how long calls that are under way may still take when their storage
// is changed or removed.
const closeTimeout = 30 * time.Second

// instance is one that outlives the processes of its plugin.
type instance struct{ *plugins.Instance }

// Close implements [storages.Instance].
func (i instance) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return i.Instance.Close(ctx)
}

// Condition implements [storages.Instance].
func (i instance) Condition() storages.Condition {
	is := i.Status()
	state := storages.State(is.State)
	if state == storages.Degraded && is.Side == fault.Plugin {
		state = storages.Failed
	}
	return storages.Condition{State: state, Message: is.Reason, Since: is.Since, CheckedAt: is.CheckedAt}
}

// changes tells everybody who waits that something has changed.
type changes struct {
	mu   sync.Mutex
	last chan struct{}
}

func newChanges() *changes { return &changes{last: make(chan struct{})} }

func (c *changes) tell() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.last)
	c.last = make(chan struct{})
}

func (c *changes) next() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}
