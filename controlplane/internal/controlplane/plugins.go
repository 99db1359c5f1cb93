package controlplane

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
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

// pluginDirOf returns the folder of the plugins: the program's own unless the
// settings name one.
func pluginDirOf(c *settings.Config) string {
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
}

func newPlugins(c *settings.Config, runDir string, environ []string, log hclog.Logger) *storagePlugins {
	dir := pluginDirOf(c)
	told := newChanges()
	return &storagePlugins{changes: told, manager: plugins.New(plugins.Config{
		Dir: dir, Locks: []string{filepath.Join(dir, trust.LockName), filepath.Join(c.DataDir, LockName)},
		RunDir: runDir, Env: environ, Log: log, TrustCommand: TrustCommand, Changed: told.tell,
	})}
}

// Describe implements [storages.Plugins].
func (p *storagePlugins) Describe(ctx context.Context, name string) (storages.Description, error) {
	var about plugin.Description
	body, err := p.manager.Describe(ctx, plugins.Storage(name))
	if err == nil {
		if err = json.Unmarshal(body, &about); err != nil {
			err = fault.Wrap(fault.Internal, err, "the plugin %q says of itself what can't be understood", name).On(fault.Plugin)
		}
	}
	return storages.Description{Version: about.Version, Form: about.Schema, Secrets: about.Secrets}, err
}

// Check implements [storages.Plugins].
func (p *storagePlugins) Check(ctx context.Context, name string, c storages.Configuration, online bool) ([]config.Fault, error) {
	return p.manager.Check(ctx, plugins.Storage(name), configurationOf(c), online)
}

func configurationOf(c storages.Configuration) host.Configuration {
	return host.Configuration{JSON: c.JSON, Secrets: c.Secrets}
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
