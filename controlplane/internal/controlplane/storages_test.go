package controlplane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/settings"
	"github.com/corral-fleet/corral/controlplane/internal/sqlite"
	"github.com/corral-fleet/corral/controlplane/internal/storages"
	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/host/plugins"
	"github.com/corral-fleet/corral/sdk/host/trust"
	"github.com/corral-fleet/corral/sdk/plugin"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/memory"
)

// agingPrefix is what the file of a plugin is called before its version. Its
// configuration has another form from version 2 on.
const agingPrefix = trust.Prefix + "storage-aging-"

func TestMain(m *testing.M) {
	if version, ok := strings.CutPrefix(filepath.Base(os.Args[0]), agingPrefix); ok {
		os.Exit(plugin.Main(plugin.About{Name: "aging", Version: version}, agingKind(version)))
	}
	if filepath.Base(os.Args[0]) == fragileFile {
		os.Exit(plugin.Main(plugin.About{Name: "fragile", Version: "1.0.0"}, fragileKind()))
	}
	os.Exit(m.Run())
}

type firstSettings struct {
	TimeoutSeconds int           `yaml:"timeout_seconds" help:"how long it may take"`
	Password       config.Secret `yaml:"password" help:"what the service asks for"`
}

type secondSettings struct {
	Timeout time.Duration `yaml:"timeout" help:"how long it may take"`
	Token   config.Secret `yaml:"token" help:"what the service asks for"`
}

func agingKind(version string) plugin.Kind {
	if strings.HasPrefix(version, "1.") {
		return plugin.Storage(func(_ context.Context, s firstSettings) (storage.Backend, error) {
			return agingStorage{memory.New(1 << 20), time.Duration(s.TimeoutSeconds) * time.Second, s.Password}, nil
		})
	}
	return plugin.Storage(func(_ context.Context, s secondSettings) (storage.Backend, error) {
		return agingStorage{memory.New(1 << 20), s.Timeout, s.Token}, nil
	}, plugin.Migrate(2, func(_ int, config map[string]any, secrets map[string]string) error {
		config["timeout"] = fmt.Sprint(config["timeout_seconds"], "s")
		delete(config, "timeout_seconds")
		secrets["token"] = secrets["password"]
		delete(secrets, "password")
		return nil
	}))
}

// agingStorage has what it was configured with in its address.
type agingStorage struct {
	*memory.Backend
	timeout time.Duration
	secret  config.Secret
}

// Address implements [storage.Addresser].
func (s agingStorage) Address() string {
	return fmt.Sprintf("aging://%v/%t/", s.timeout, s.secret.Reveal() == "canary-5678")
}

// served is the storages of a store, with plugins that run.
type served struct {
	*storages.Service
	t       *testing.T
	state   *sqlite.State
	plugins *storagePlugins
}

func serve(t *testing.T) *served {
	t.Helper()
	c := &settings.Config{DataDir: t.TempDir(), PluginDir: t.TempDir()}
	runDir, remove, err := pluginRunDir(c.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	state, err := sqlite.OpenState(t.Context(), c.DataDir, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	s := &served{t: t, state: state, plugins: newPlugins(c, runDir, nil, hclog.NewNullLogger())}
	s.Service = storages.New(storages.Options{
		Store: state, Plugins: s.plugins, BuiltIn: fleet.Storage{Name: "default", Plugin: "fs"}, Events: fleet.NewEvents(time.Now),
		Log: hclog.NewNullLogger(), Now: time.Now,
	})
	if err := s.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	errs := make([]error, 2)
	running.Go(func() { errs[0] = s.plugins.Run(ctx) })
	running.Go(func() { errs[1] = s.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		if err := errors.Join(errs[0], errs[1], state.Close(), remove()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// upgrade puts a version of the plugin there, and trusts it.
func (s *served) upgrade(version string) {
	s.t.Helper()
	s.put(agingPrefix + version)
	s.await(plugins.Ready, version, "")
}

// put puts a plugin there, which a file of this name is, and trusts it.
func (s *served) put(name string) {
	s.t.Helper()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		s.t.Fatal(err)
	}
	path := filepath.Join(s.plugins.watched[2], name)
	if err := os.WriteFile(path, append(self, name...), 0o755); err != nil { //nolint:gosec // it is a program
		s.t.Fatal(err)
	}
	if _, err := trust.TrustFile(s.t.Context(), s.plugins.watched[1], path); err != nil {
		s.t.Fatal(err)
	}
	if err := s.plugins.manager.Rescan(); err != nil {
		s.t.Fatal(err)
	}
}

// await waits until the plugin is so.
func (s *served) await(state plugins.State, version, reason string) {
	s.t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		changed := s.plugins.Changed()
		all := s.plugins.manager.Plugins()
		for _, p := range all {
			if p.ID == plugins.Storage("aging") && p.State == state && p.Version == version && strings.Contains(p.Reason, reason) {
				return
			}
		}
		select {
		case <-changed:
		case <-timeout:
			s.t.Fatalf("%s is not %s: %+v", version, state, all)
		}
	}
}

// wants wants the storage to be shown, configured and stored so.
func (s *served) wants(shown, address string, stored int) {
	s.t.Helper()
	if _, err := s.Check(s.t.Context(), "a"); err != nil { // it is open then
		s.t.Fatal(err)
	}
	v, err := s.Storage(s.t.Context(), "a")
	if err != nil || string(v.Config) != shown || v.Address != address || v.Status != storages.Ready {
		s.t.Errorf("%s, %+v, %v; want %s, %s", v.Config, v, err, shown, address)
	}
	rows, err := s.state.Storages(s.t.Context())
	if err != nil || len(rows) != 1 || rows[0].Schema != stored {
		s.t.Errorf("%+v, %v; want version %d", rows, err, stored)
	}
}

// TestStoragesSurviveANewFormOfTheirConfiguration goes through an upgrade of a plugin
// and back, and then on and no way back, with real processes and a real store.
func TestStoragesSurviveANewFormOfTheirConfiguration(t *testing.T) {
	s := serve(t)
	s.upgrade("1.0.0")
	spec := storages.Spec{Name: "a", Plugin: "aging", Config: []byte(`{"timeout_seconds":90,"password":"canary-5678"}`)}
	if _, err := s.Create(t.Context(), spec, storages.Online); err != nil {
		t.Fatal(err)
	}
	s.wants(`{"password":"***","timeout_seconds":90}`, "aging://1m30s/true/", 1)
	s.upgrade("2.0.0")
	s.wants(`{"timeout":"90s","token":"***"}`, "aging://1m30s/true/", 1)
	if err := s.plugins.manager.Rollback(plugins.Storage("aging")); err != nil {
		t.Fatal(err)
	}
	s.await(plugins.Ready, "1.0.0", "")
	s.wants(`{"password":"***","timeout_seconds":90}`, "aging://1m30s/true/", 1)
	s.upgrade("2.0.1")
	if _, err := s.Change(t.Context(), "a", storages.Spec{Config: []byte(`{"timeout":"10s","token":"***"}`)}, storages.Online); err != nil {
		t.Fatal(err)
	}
	s.wants(`{"timeout":"10s","token":"***"}`, "aging://10s/true/", 2)
	if err := s.plugins.manager.Rollback(plugins.Storage("aging")); err != nil {
		t.Fatal(err)
	}
	s.await(plugins.Degraded, "2.0.1", "saved for a newer version of the plugin")
	s.wants(`{"timeout":"10s","token":"***"}`, "aging://10s/true/", 2)
}

// A storage of the settings file whose plugin there is not says which there are.
func TestAStorageOfNoPluginSaysWhichThereAre(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.upgrade("1.0.0")
	const names = "there are aging"
	pinned := s.plugins.Open("aginf", "pinned", storages.Configuration{JSON: []byte(`{}`)})
	if is := pinned.Condition(); is.State != storages.Disabled || !strings.Contains(is.Message, "storage/aginf") || !strings.HasSuffix(is.Message, names) {
		t.Errorf("it is %+v", is)
	}
	_, err := s.Create(t.Context(), storages.Spec{Name: "a", Plugin: "aginf", Config: []byte(`{}`)}, storages.Online)
	if err == nil || !strings.HasSuffix(err.Error(), names) {
		t.Errorf("to make one: %v", err)
	}
	if err := pinned.Close(); err != nil {
		t.Error(err)
	}
}
