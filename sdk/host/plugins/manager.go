// Package plugins has the plugins of a host as one thing that does not fail: it
// starts those that are trusted, has their instances outlive their processes, and
// says of each how it is.
//
// A bad plugin stops and delays nothing else. What is wrong with one is a state, a
// sentence and whose fault it is, and never an error of the host's start.
package plugins

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/host/trust"
)

// Config is what a manager needs to know.
type Config struct {
	Dirs []string // where the plugins are; one that is missing has none
	// Locks are files that say which are trusted, wherever those are; none are those in
	// Dirs. Of several programs of one plugin the one that stands last in the last of
	// them is run, and where it is there twice, that of the first directory.
	Locks []string

	// RunDir is where plugins' sockets are put, as [host.Program] has it. It is the
	// manager's alone: it is made where it is missing, and sockets of processes that
	// are gone are removed from it.
	RunDir string
	// Env is the host's environment, of which plugins get the little that
	// [host.Environment] lets through.
	Env []string
	// Log gets what happens to plugins and, under their names, what they log.
	Log hclog.Logger

	// Disabled are plugins that are not to run.
	Disabled []ID
	// TrustCommand is what an operator types before the path of a plugin to trust it.
	TrustCommand string
	// MemoryBytes is how much memory a plugin is told to keep to; 0 is 512 MiB.
	MemoryBytes int64
	// MaxExits is how often a plugin may end by itself within ten minutes before it
	// is failed, and started once a minute; 0 is 5.
	MaxExits int

	// Changed, if it is not nil, is called when something that [Manager.Plugins] or an
	// instance tells has changed. It must return at once, and not ask the manager.
	Changed func()

	times times // zero are those of the package
	start starter
}

// ID names a plugin.
type ID struct {
	Kind string // storage or loader
	Name string // such as fs or gguf
}

// Storage is the id of a storage plugin.
func Storage(name string) ID { return ID{"storage", name} }

// Loader is the id of a plugin that knows formats of models.
func Loader(name string) ID { return ID{"loader", name} }

// String returns the id as it is written, such as storage/fs.
func (id ID) String() string { return id.Kind + "/" + id.Name }

// Manager has the plugins of a host. Its methods may be called concurrently, and
// before Run: what needs a process waits for it until its context ends.
type Manager struct {
	config  Config
	scanner *trust.Scanner
	scan    sync.Mutex // held while the directories are looked at

	mu      sync.Mutex
	units   map[ID]*unit
	names   map[string][]string // of those that there are, by their kinds; replaced as a whole
	strays  []Status            // files that are no plugins that run
	failed  error               // of the last look at the directories
	scanned bool                // they were looked at
	tasks   *tasks
}

// New returns a manager. It does nothing before Run.
func New(c Config) *Manager {
	if len(c.Locks) == 0 {
		for _, dir := range c.Dirs {
			c.Locks = append(c.Locks, filepath.Join(dir, trust.LockName))
		}
	}
	if c.Log == nil {
		c.Log = hclog.NewNullLogger()
	}
	if c.Changed == nil {
		c.Changed = func() {}
	}
	if c.MemoryBytes == 0 {
		c.MemoryBytes = 512 << 20
	}
	if c.MaxExits == 0 {
		c.MaxExits = 5
	}
	if c.times == (times{}) {
		c.times = defaultTimes()
	}
	if c.start == nil {
		c.start = startProcess
	}
	return &Manager{config: c, scanner: trust.NewScanner(c.Dirs, c.Locks...), units: map[ID]*unit{}, tasks: newTasks()}
}

// Run looks for plugins, starts them, and keeps them running until ctx ends. Then it
// stops them all and returns nil.
func (m *Manager) Run(ctx context.Context) error {
	if err := prepare(m.config.RunDir); err != nil {
		m.config.Log.Warn("the directory of plugins' sockets is not as it should be", "error", err)
	}
	if err := m.Rescan(); err != nil {
		m.config.Log.Warn("not all plugins can be found", "error", err)
	}
	m.tasks.run(ctx)
	return nil
}

// prepare makes the directory of sockets, and removes what a host that was killed has
// left in it.
func prepare(runDir string) error {
	if err := os.MkdirAll(runDir, 0o700); err != nil {
		return err
	}
	left, err := filepath.Glob(filepath.Join(runDir, "plugin-dir*"))
	for _, path := range left {
		err = errors.Join(err, os.RemoveAll(path))
	}
	return err
}

// Rescan looks for plugins again. A plugin whose program is another one now is
// upgraded in the background; how that went is in its status. The error tells of what
// could not be read: a lock or a directory.
func (m *Manager) Rescan() error {
	m.scan.Lock()
	defer m.scan.Unlock()
	found, err := m.scanner.Scan()
	best := map[ID]trust.Found{}
	var strays []Status
	for _, f := range found {
		if !f.Trusted {
			strays = append(strays, m.stray(f))
			continue
		}
		id := ID{f.Entry.Kind, f.Entry.Name}
		if have, ok := best[id]; !ok || f.Rank > have.Rank {
			best[id] = f
		}
	}
	m.mu.Lock()
	m.strays, m.failed = strays, err
	for id, f := range best {
		m.unitLocked(id).use(&f)
	}
	// A lock that can't be read takes nobody's trust away.
	trusted := func(sha256 string) bool { return err != nil || m.scanner.Trusts(sha256) }
	m.names = map[string][]string{}
	var gone []*unit
	for id, u := range m.units {
		if _, ok := best[id]; ok || u.keeps(trusted) {
			m.names[id.Kind] = append(m.names[id.Kind], id.Name)
		} else {
			gone = append(gone, u)
		}
	}
	for _, list := range m.names {
		slices.Sort(list)
	}
	for _, u := range gone {
		u.useNone(m.names[u.id.Kind])
	}
	m.scanned = true
	m.mu.Unlock()
	m.config.Changed()
	return err
}

// stray is the status of a file that is not run.
func (m *Manager) stray(f trust.Found) Status {
	s := Status{File: f.Path, SHA256: f.SHA256, State: Disabled, Reason: f.Refused}
	if f.Refused == "" {
		s.Reason = "it is not trusted, so it is not run"
		if m.config.TrustCommand != "" {
			s.Trust = m.config.TrustCommand + " " + f.Path
		}
	}
	return s
}

// unit returns the supervision of a plugin, which there may not be yet.
func (m *Manager) unit(id ID) *unit {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.unitLocked(id)
}

func (m *Manager) unitLocked(id ID) *unit {
	u, ok := m.units[id]
	if !ok {
		u = newUnit(m.config, id, m.tasks)
		m.units[id] = u
		if m.scanned {
			u.useNone(m.names[id.Kind])
		}
		m.tasks.add(u.supervise)
	}
	return u
}

// known returns the supervision of a plugin that there is.
func (m *Manager) known(id ID) (*unit, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if u, ok := m.units[id]; ok && u.exists() {
		return u, nil
	}
	return nil, fault.New(fault.NotFound, "there is no plugin %s", id).On(fault.Caller)
}

// Plugins returns how each plugin is, in the order of their names, and behind them
// the files that are not run.
func (m *Manager) Plugins() []Status {
	m.mu.Lock()
	var all []*unit
	for _, u := range m.units {
		all = append(all, u)
	}
	strays := slices.Clone(m.strays)
	m.mu.Unlock()
	var out []Status
	for _, u := range all {
		out = append(out, u.status())
	}
	slices.SortFunc(out, func(a, b Status) int { return strings.Compare(a.ID.String(), b.ID.String()) })
	return append(out, strays...)
}

// Names returns the names of the plugins of a kind that there are, in their order. Nobody may
// change the list.
func (m *Manager) Names(kind string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.names[kind]
}

// Found returns nil when the directories and the locks could be read when they were
// last looked at.
func (m *Manager) Found() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.failed
}

// Describe returns what a plugin says of itself, as JSON; see plugin.Description.
func (m *Manager) Describe(ctx context.Context, id ID) (json.RawMessage, error) {
	u, err := m.known(id)
	if err != nil {
		return nil, err
	}
	ctx, cancel := within(ctx, describeTimeout)
	defer cancel()
	g, err := u.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer g.leave()
	return g.description, nil
}

// Check returns what is wrong with a configuration. When nothing is, and online is
// true, it is tried: an error is what an instance of it would get.
func (m *Manager) Check(ctx context.Context, id ID, c host.Configuration, online bool) ([]config.Fault, error) {
	u, err := m.known(id)
	if err != nil {
		return nil, err
	}
	u.redactor.addForAWhile(c.Secrets)
	ctx, cancel := within(ctx, openTimeout)
	defer cancel()
	var faults []config.Fault
	err = u.call(ctx, "check", true, func(g *generation) (err error) {
		faults, err = g.process.Check(ctx, c, online)
		return err
	})
	for i := range faults {
		faults[i].Message = u.redactor.text(faults[i].Message)
	}
	return faults, err
}

// Migrate returns a configuration in the version that a plugin has now, for showing and
// storing it. One that is of a newer version is fault.Invalid on the caller's side.
func (m *Manager) Migrate(ctx context.Context, id ID, c host.Configuration) (now host.Configuration, err error) {
	u, err := m.known(id)
	if err != nil {
		return host.Configuration{}, err
	}
	u.redactor.addForAWhile(c.Secrets)
	ctx, cancel := within(ctx, describeTimeout)
	defer cancel()
	err = u.call(ctx, "migrate", true, func(g *generation) (err error) {
		now, err = g.process.Migrate(ctx, c)
		return err
	})
	u.redactor.addForAWhile(now.Secrets)
	return now, err
}

// Rollback has a plugin run the program that it ran before its last upgrade. It is
// an upgrade as any other, in the background.
func (m *Manager) Rollback(id ID) error {
	u, err := m.known(id)
	if err != nil {
		return err
	}
	return u.rollback()
}
