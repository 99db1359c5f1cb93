// Package plugins reads files through storage plugins, for services that have no URLs to
// give away. Their programs come from the control plane by their digests; nothing else is
// run, and none outlives the worker.
package plugins

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/agent/internal/models/fetch"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// Plugins runs those that a job needs, each when it is first read from. Its methods may
// be called concurrently.
type Plugins struct {
	dir     string // of the programs
	environ []string
	from    *fetch.Client
	log     hclog.Logger

	mu      sync.Mutex
	running map[string]*instance // by what they are configured with
}

// New returns plugins whose programs are kept in dir and got by from. Environ is all of
// a plugin's environment.
func New(dir string, environ []string, from *fetch.Client, log hclog.Logger) *Plugins {
	return &Plugins{dir: dir, environ: environ, from: from, log: log, running: map[string]*instance{}}
}

// File returns a way to a file of so many bytes.
func (p *Plugins) File(of *work.Plugin, sizeBytes int64) fetch.Opener {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := identity(of)
	i := p.running[key]
	if i == nil {
		i = &instance{plugins: p, of: of}
		p.running[key] = i
	}
	return &object{instance: i, key: of.Key, size: sizeBytes}
}

// identity tells configured plugins apart.
func identity(of *work.Plugin) string {
	text := []string{of.SHA256, fmt.Sprint(of.ConfigVersion), string(of.Config)}
	for _, name := range slices.Sorted(maps.Keys(of.Secrets)) {
		text = append(text, name, of.Secrets[name])
	}
	return fmt.Sprintf("%q", text)
}

// Close ends the plugins.
func (p *Plugins) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, i := range p.running {
		i.close()
	}
}

// instance is a configured plugin, whose process may come and go.
type instance struct {
	plugins *Plugins
	of      *work.Plugin

	mu      sync.Mutex
	runDir  string
	process *host.Process
	storage *host.Storage
}

// get returns the storage, of a new process where there is none that runs.
func (i *instance) get(ctx context.Context) (*host.Storage, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.process != nil {
		select {
		case <-i.process.Exited():
			i.plugins.log.Warn("a plugin has ended by itself", "plugin", i.of.Name, "how", i.process.Exit().String())
			i.stop()
		default:
			return i.storage, nil
		}
	}
	if err := i.start(ctx); err != nil {
		i.stop()
		return nil, i.clean(err)
	}
	return i.storage, nil
}

func (i *instance) start(ctx context.Context) error {
	path, err := i.plugins.program(ctx, i.of)
	if err != nil {
		return err
	}
	if i.runDir, err = os.MkdirTemp("", "corral-"); err != nil { // addresses of sockets are short
		return fault.Wrap(fault.KindOf(err), err, "the plugin %s could not be started on this host", i.of.Name).On(fault.Host)
	}
	i.process, err = host.Start(ctx, host.Program{
		Path: path, SHA256: i.of.SHA256, RunDir: i.runDir, Env: i.plugins.environ,
		Log: i.plugins.log.Named(i.of.Name), Redact: i.redactor().Replace,
	})
	if fault.KindOf(err) == fault.Forbidden { // it isn't what it was when it was fetched
		return errors.Join(err, os.Remove(path))
	}
	if err != nil {
		return err
	}
	i.storage, err = i.process.OpenStorage(ctx, host.Configuration{Version: i.of.ConfigVersion, JSON: i.of.Config, Secrets: i.of.Secrets})
	return err
}

// stop ends the process. It is for who holds the lock.
func (i *instance) stop() {
	if i.process != nil {
		i.process.Stop()
	}
	if i.runDir != "" {
		_ = os.RemoveAll(i.runDir) // what is left are sockets
	}
	i.process, i.storage, i.runDir = nil, nil, ""
}

func (i *instance) close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.stop()
}

// minSecretBytes is how long a secret is that is looked for: shorter ones would be found
// in harmless words.
const minSecretBytes = 4

// redactor takes the secrets out of what a plugin says.
func (i *instance) redactor() *strings.Replacer {
	var pairs []string
	for _, secret := range i.of.Secrets {
		if len(secret) >= minSecretBytes {
			pairs = append(pairs, secret, "[redacted]")
		}
	}
	return strings.NewReplacer(pairs...)
}

// clean is an error without the secrets, of the same kind and side.
func (i *instance) clean(err error) error {
	if err == nil {
		return nil
	}
	r := i.redactor()
	if r.Replace(err.Error()) == err.Error() {
		return err
	}
	return fault.Wrap(fault.KindOf(err), errors.New(r.Replace(err.Error())), "%s", r.Replace(fault.MessageOf(err))).On(fault.SideOf(err))
}
