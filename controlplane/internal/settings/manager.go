package settings

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/config"
)

const jwtSecret = "security.jwt_secret"

// Manager holds the settings of a running server. What the API saved stands
// over file and defaults, and under what the environment and the flags pin. Its
// methods may be called concurrently.
type Manager struct {
	base  Loaded
	store fleet.SettingsStore

	current atomic.Pointer[AppConfig]
	started atomic.Pointer[AppConfig] // what the server started with

	mu       sync.Mutex // held while anything is read from the store or written to it
	saved    saved
	origins  config.Origins
	watchers []*watcher
}

// New returns a manager that knows what the program was started with. What was
// saved is missing until [Manager.Load].
func New(base Loaded, store fleet.SettingsStore) *Manager {
	if base.Origins == nil {
		base.Origins = config.Origins{}
	}
	m := &Manager{base: base, store: store, saved: saved{}, origins: base.Origins.Clone()}
	app := base.Config.App.clone()
	m.current.Store(&app)
	m.started.Store(&app)
	return m
}

// Load puts what was saved over the settings, once, before the server listens.
// At the very first start it makes the secret that signs sessions, and saves
// it. Saved settings that cannot stand beside the others are a [*config.Faults].
func (m *Manager) Load(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	stored, err := m.store.LoadSettings(ctx)
	if err != nil {
		return fmt.Errorf("load settings: %w", err)
	}
	read, err := parseSaved(stored)
	if err != nil {
		return err
	}
	next, origins := m.base.Config, m.base.Origins.Clone()
	next.App = next.App.clone()
	faults, err := read.apply(&next.App, origins)
	if err != nil {
		return err
	}
	if err := config.Validate(&next, origins, faults...); err != nil {
		return err
	}
	if !next.App.Security.JWTSecret.IsSet() {
		next.App.Security.JWTSecret = newSecret()
		origins[jwtSecret] = config.Origin{Layer: config.Saved}
		if read, err = m.save(ctx, read, &next.App, []string{jwtSecret}); err != nil {
			return err
		}
	}
	m.saved, m.origins = read, origins
	m.current.Store(&next.App)
	m.started.Store(&next.App)
	return nil
}

// save stores the changed fields beside those that were saved before.
func (m *Manager) save(ctx context.Context, before saved, app *AppConfig, changed []string) (saved, error) {
	next, err := before.with(app, changed)
	if err != nil {
		return nil, err
	}
	encoded, err := json.Marshal(next)
	if err != nil {
		return nil, err
	}
	if err := m.store.SaveSettings(ctx, encoded); err != nil {
		return nil, fmt.Errorf("save settings: %w", err)
	}
	return next, nil
}

// Current returns the settings as they are now. The snapshot never changes and
// must not be changed.
func (m *Manager) Current() *AppConfig { return m.current.Load() }

// Public returns the settings as JSON, with "***" in place of secrets.
func (m *Manager) Public() ([]byte, error) { return json.Marshal(m.Current()) }

// Program returns what the program was started with, and the present settings in it.
func (m *Manager) Program() Config {
	cfg := m.base.Config
	cfg.App = m.Current().clone()
	return cfg
}

// Origins returns where each setting comes from; what it does not name is a default.
func (m *Manager) Origins() config.Origins {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.origins.Clone()
}

// PendingRestart returns the paths of the settings that differ from those the
// server runs with until it is started again.
func (m *Manager) PendingRestart() []string {
	return onlyRestart(config.Changed(m.started.Load(), m.current.Load()))
}

func onlyRestart(paths []string) []string {
	return slices.DeleteFunc(slices.Clone(paths), func(path string) bool { return !needsRestart(path) })
}

// newSecret returns 32 random bytes as text.
func newSecret() config.Secret {
	var raw [minSecretBytes]byte
	rand.Read(raw[:]) // never fails; see crypto/rand
	return config.NewSecret(base64.RawURLEncoding.EncodeToString(raw[:]))
}
