package settings_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/settings"
	"github.com/corral-fleet/corral/sdk/fault"
)

// memory is a settings store that fails when it is told to.
type memory struct {
	mu    sync.Mutex
	json  []byte
	saves int
	fail  error
}

func (m *memory) LoadSettings(context.Context) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.json), m.fail
}

func (m *memory) SaveSettings(_ context.Context, json []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	m.json, m.saves = slices.Clone(json), m.saves+1
	return nil
}

// serve starts a manager on a store.
func serve(t *testing.T, store *memory, file string, args ...string) *settings.Manager {
	t.Helper()
	loaded, err := start(t, file, nil, args...)
	if err != nil {
		t.Fatal(err)
	}
	m := settings.New(loaded, store)
	if err := m.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return m
}

func patch(t *testing.T, m *settings.Manager, body string) settings.Change {
	t.Helper()
	change, err := m.Patch(t.Context(), []byte(body))
	if err != nil {
		t.Fatalf("patch %s: %v", body, err)
	}
	return change
}

func TestTheSecretIsMadeOnceAndKept(t *testing.T) {
	store := &memory{}
	first := serve(t, store, "").Current().Security.JWTSecret
	if n := len(first.Reveal()); n < 32 {
		t.Fatalf("the secret has %d bytes", n)
	}
	m := serve(t, store, "")
	if !m.Current().Security.JWTSecret.Equal(first) || store.saves != 1 {
		t.Errorf("a second start made another secret (%d saves)", store.saves)
	}
	public, err := m.Public()
	if err != nil || !strings.Contains(string(public), `"jwt_secret":"***"`) || strings.Contains(string(public), first.Reveal()) {
		t.Errorf("public settings are %s, %v", public, err)
	}

	patch(t, m, `{"security": {"jwt_secret": "***", "rate_limit": 5}}`)
	if !m.Current().Security.JWTSecret.Equal(first) {
		t.Error("*** replaced the secret")
	}
	change := patch(t, m, `{"security": {"jwt_secret": ""}}`)
	second := m.Current().Security.JWTSecret
	if second.Equal(first) || len(second.Reveal()) < 32 || !change.Has("security.jwt_secret") {
		t.Errorf("an empty secret changed %v", change.Fields)
	}
	own := strings.Repeat("k", 32)
	patch(t, m, `{"security": {"jwt_secret": "`+own+`"}}`)
	if got := serve(t, store, "").Current().Security.JWTSecret.Reveal(); got != own {
		t.Errorf("after a restart the secret is %q", got)
	}
	_, err = m.Patch(t.Context(), []byte(`{"security": {"jwt_secret": "`+own[1:]+`"}}`))
	if fault.KindOf(err) != fault.Invalid || strings.Contains(err.Error(), own[1:]) {
		t.Errorf("a short secret: %v", err)
	}
}

func TestSavedStandsOverTheFileAndUnderAPin(t *testing.T) {
	store := &memory{}
	file := "server: {timeout: 40, max_connections: 7}"
	m := serve(t, store, file)
	all, err := m.Public()
	if err != nil {
		t.Fatal(err)
	}
	patch(t, m, string(all)) // what a dashboard does: everything back
	patch(t, m, `{"server": {"timeout": 50, "cors_origins": []}, "models": {"max_model_size": 9007199254740991}}`)

	m = serve(t, store, "server: {timeout: 60, max_connections: 8}")
	s := m.Current().Server
	if s.TimeoutSeconds != 50 || s.CORSOrigins == nil || len(s.CORSOrigins) != 0 || m.Current().Models.MaxModelSize != 9007199254740991 {
		t.Errorf("what was saved is not in effect: %+v", s)
	}
	if s.MaxConnections != 8 {
		t.Errorf("posting everything back froze max_connections at %d", s.MaxConnections)
	}
	if got := m.Origins().Of("server.timeout").String(); got != "saved" {
		t.Errorf("origin of the timeout is %s", got)
	}

	m = serve(t, store, file, "--server-timeout=70", "--listen=127.0.0.1:0")
	if got := m.Current().Server.TimeoutSeconds; got != 70 {
		t.Errorf("the flag does not pin the timeout, it is %d", got)
	}
	patch(t, m, `{"server": {"timeout": 70, "max_connections": 9}}`)
	_, err = m.Patch(t.Context(), []byte(`{"server": {"timeout": 71, "port": 1, "max_connections": 10}}`))
	want := "server.port is pinned by --listen, server.timeout is pinned by --server-timeout; change it where the server is started"
	if fault.KindOf(err) != fault.Conflict || fault.MessageOf(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if got := m.Current().Server.MaxConnections; got != 9 {
		t.Errorf("a refused patch changed max_connections to %d", got)
	}
	if got := serve(t, store, file).Current().Server.TimeoutSeconds; got != 50 {
		t.Errorf("without the pin the timeout is %d, want what was saved", got)
	}
}

func TestPatchTellsEverythingThatIsWrong(t *testing.T) {
	store := &memory{}
	m := serve(t, store, "server: {timeout: 40}")
	before, saves := m.Current(), store.saves
	for body, want := range map[string]string{
		``:                       "the body is not valid JSON: it ends too early",
		`[]`:                     "the body is a list, not a JSON object",
		`{"sever": {}}`:          "sever: unknown key; known here: server, models, security, monitoring, routing, fleet",
		`{"data_dir": "/tmp"}`:   "data_dir: unknown key; known here: server, models, security, monitoring, routing, fleet",
		`{"server": {"prt": 1}}`: "server.prt: unknown key; known here: host, port, max_connections, timeout, log_level, cors_origins",
		`{"server": {"port": "80", "timeout": -1}, "models": {"cache_size": null}, "security": {"rate_limit": 1.5}}`: "server.port: wants a whole number, not text; models.cache_size: has no value; leave it out to keep it as it is; " +
			"security.rate_limit: wants a whole number, not a number with a fraction; server.timeout: -1 is not from 1 to 86400",
		`{"security": {"api_key_required": false}}`: "security.api_key_required: cannot be false while the server listens on 0.0.0.0, beyond loopback, and security.allowed_ips is empty; " +
			"list the addresses that may call, or start the server with --insecure",
	} {
		_, err := m.Patch(t.Context(), []byte(body))
		if fault.KindOf(err) != fault.Invalid || fault.MessageOf(err) != want {
			t.Errorf("%s:\ngot  %v\nwant %s", body, fault.MessageOf(err), want)
		}
	}
	if m.Current() != before || store.saves != saves {
		t.Error("a refused patch left something behind")
	}
}

func TestASaveThatFailsChangesNothing(t *testing.T) {
	store := &memory{}
	m := serve(t, store, "")
	called := false
	m.Subscribe(func(settings.Change) { called = true })
	before, origins := m.Current(), m.Origins()
	store.fail = fault.New(fault.NoSpace, "the disk is full")
	_, err := m.Patch(t.Context(), []byte(`{"server": {"timeout": 9}}`))
	if fault.KindOf(err) != fault.NoSpace {
		t.Errorf("error is %v", err)
	}
	if m.Current() != before || called || cmp.Diff(origins, m.Origins()) != "" {
		t.Error("the settings changed although they were not saved")
	}
	store.fail = nil
	patch(t, m, `{"models": {"batch_size": 2}}`)
	if got := serve(t, store, "").Current().Server.TimeoutSeconds; got != 30 {
		t.Errorf("what failed to be saved was saved by the next change: timeout %d", got)
	}

	broken := &memory{fail: errors.New("away")}
	if err := settings.New(settings.Loaded{Config: settings.Default()}, broken).Load(t.Context()); err == nil {
		t.Error("Load hides that the store is away")
	}
	corrupt := &memory{json: []byte("{")}
	if err := settings.New(settings.Loaded{Config: settings.Default()}, corrupt).Load(t.Context()); fault.KindOf(err) != fault.Corrupt {
		t.Errorf("Load of what is not JSON: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Patch(ended, []byte(`{"server": {"timeout": 9}}`)); !errors.Is(err, context.Canceled) {
		t.Errorf("Patch for a caller that left: %v", err)
	}
}

func TestAChangeIsToldInOrderAndSaysWhatNeedsARestart(t *testing.T) {
	store := &memory{}
	m := serve(t, store, "")
	var told []settings.Change
	cancel := m.Subscribe(func(c settings.Change) { told = append(told, c) })
	saves := store.saves
	if change := patch(t, m, `{"server": {"port": 11435}}`); change.Fields != nil || store.saves != saves || told != nil {
		t.Errorf("a patch that changes nothing changed %v", change.Fields)
	}
	first := patch(t, m, `{"monitoring": {"tracing_enabled": true, "prometheus_port": 9}, "server": {"host": "::1", "port": 2, "log_level": "debug"}}`)
	if diff := cmp.Diff([]string{"server.host", "server.port", "server.log_level", "monitoring.prometheus_port", "monitoring.tracing_enabled"}, first.Fields); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"server.host", "server.port", "monitoring.prometheus_port", "monitoring.tracing_enabled"}, first.Restart); diff != "" {
		t.Error(diff)
	}
	patch(t, m, `{"server": {"host": "0.0.0.0", "port": 11435}}`)
	if diff := cmp.Diff([]string{"monitoring.prometheus_port", "monitoring.tracing_enabled"}, m.PendingRestart()); diff != "" {
		t.Error(diff)
	}
	cancel()
	patch(t, m, `{"server": {"timeout": 3}}`)
	if len(told) != 2 || told[0].Config.Server.Port != 2 || told[1].Config.Server.Port != 11435 {
		t.Errorf("told %+v", told)
	}
}

func TestANewHostDoesNotOpenTheOneThatIsListenedOn(t *testing.T) {
	m := serve(t, &memory{}, "")
	_, err := m.Patch(t.Context(), []byte(`{"server": {"host": "127.0.0.1"}, "security": {"api_key_required": false}}`))
	if fault.KindOf(err) != fault.Invalid || !strings.Contains(fault.MessageOf(err), "listens on 0.0.0.0") {
		t.Errorf("the server would be open until it is started again: %v", err)
	}
	patch(t, m, `{"security": {"api_key_required": false, "allowed_ips": ["10.0.0.0/8"]}}`)
	_, err = m.Patch(t.Context(), []byte(`{"security": {"allowed_ips": []}}`))
	if fault.KindOf(err) != fault.Invalid {
		t.Errorf("emptying allowed_ips opened the server: %v", err)
	}
}

func TestSavedSettingsThatNoLongerFitStopTheStart(t *testing.T) {
	store := &memory{}
	patch(t, serve(t, store, "", "--listen=127.0.0.1:0"), `{"security": {"api_key_required": false}}`)
	loaded, err := start(t, "", nil, "--listen=0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	err = settings.New(loaded, store).Load(t.Context())
	if fault.KindOf(err) != fault.Invalid || !strings.HasPrefix(err.Error(), "saved: security.api_key_required: cannot be false") {
		t.Errorf("got %v", err)
	}
	m := serve(t, store, "", "--listen=0.0.0.0:0", "--security-api-key-required")
	if !m.Current().Security.APIKeyRequired {
		t.Error("a flag does not get the server out of it")
	}
}

func TestSettingsOfANewerVersionAreKept(t *testing.T) {
	store := &memory{json: []byte(`{"server.timeout": 50, "server.from_the_future": {"a": 1}, "future.x": 2}`)}
	m := serve(t, store, "")
	patch(t, m, `{"server": {"port": 2}}`)
	var kept map[string]json.RawMessage
	if err := json.Unmarshal(store.json, &kept); err != nil {
		t.Fatal(err)
	}
	if string(kept["server.from_the_future"]) != `{"a":1}` || string(kept["future.x"]) != "2" || string(kept["server.timeout"]) != "50" || string(kept["server.port"]) != "2" {
		t.Errorf("the store holds %s", store.json)
	}
}

func TestPatchesAtOnceLoseNothing(t *testing.T) {
	store := &memory{}
	m := serve(t, store, "")
	bodies := []string{`{"server": {"timeout": 2}}`, `{"models": {"batch_size": 3}}`, `{"security": {"rate_limit": 4}}`, `{"monitoring": {"log_retention": 5}}`}
	var group sync.WaitGroup
	for _, body := range bodies {
		group.Go(func() {
			if _, err := m.Patch(t.Context(), []byte(body)); err != nil {
				t.Error(err)
			}
			_ = m.Current().Server.TimeoutSeconds
			m.Origins()
		})
	}
	group.Wait()
	for _, app := range []*settings.AppConfig{m.Current(), serve(t, store, "").Current()} {
		if app.Server.TimeoutSeconds != 2 || app.Models.BatchSize != 3 || app.Security.RateLimitPerMinute != 4 || app.Monitoring.LogRetentionDays != 5 {
			t.Errorf("a patch was lost: %+v", *app)
		}
	}
}
