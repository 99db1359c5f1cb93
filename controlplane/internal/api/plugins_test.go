package api

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/host/plugins"
)

// oneOfEach has a plugin that runs and a file that is not trusted.
type oneOfEach struct{}

func (oneOfEach) Plugins() []plugins.Status {
	return []plugins.Status{
		{
			ID: plugins.Storage("fs"), File: "/p/fs", SHA256: strings.Repeat("a", 64), State: plugins.Ready, Since: noon(), Version: "1.0.0", PID: 7, StartedAt: noon(), Restarts: 2,
			LastExit:  &host.Exit{At: noon(), How: "signal: killed", Latest: []string{"oh"}},
			Metrics:   plugins.Metrics{Calls: []plugins.CallMetrics{{Name: "stat", Count: 4, Latency: 10 * time.Millisecond}}, Errors: []plugins.ErrorMetrics{{Count: 1}, {Count: 2}}},
			Instances: []plugins.InstanceStatus{{Name: "default", State: plugins.Ready, Breaker: plugins.Closed}},
		},
		{File: "/p/other", SHA256: "bb", State: plugins.Disabled, Reason: "nobody trusts it", Trust: "trust /p/other"},
	}
}

func (oneOfEach) Describe(_ context.Context, id plugins.ID) (json.RawMessage, error) {
	if id != plugins.Storage("fs") {
		return nil, fault.New(fault.NotFound, "there is no plugin %s", id)
	}
	return json.RawMessage(`{"name":"fs"}`), nil
}

func (oneOfEach) Rollback(id plugins.ID) error {
	return fault.New(fault.Conflict, "%s has no version before", id)
}

func TestPluginsAreShown(t *testing.T) {
	f := start(t, relaytest.NoModels)
	want := `[{"kind":"storage","name":"fs","version":"1.0.0","publisher":"","file":"/p/fs","sha256":"` + strings.Repeat("a", 64) + `","trusted":true,"trust":"","state":"ready","message":"",` +
		`"since":"2026-03-01T12:00:00Z","previous":"","pid":7,"started_at":"2026-03-01T12:00:00Z","restarts":2,` +
		`"last_exit":{"at":"2026-03-01T12:00:00Z","how":"signal: killed","latest":["oh"]},"unconfined":[],` +
		`"metrics":{"calls":[{"name":"stat","count":4,"mean_ms":2.5}],"errors":3,"in_flight":0,"bytes_sent":0,"bytes_received":0,"rss_bytes":0,"cpu_ms":0},` +
		`"instances":[{"name":"default","state":"ready","message":"","breaker":"closed","transfers":0}]},` +
		`{"kind":"","name":"","version":"","publisher":"","file":"/p/other","sha256":"bb","trusted":false,"trust":"trust /p/other","state":"disabled","message":"nobody trusts it",` +
		`"since":null,"previous":"","pid":0,"started_at":null,"restarts":0,"last_exit":null,"unconfined":[],` +
		`"metrics":{"calls":[],"errors":0,"in_flight":0,"bytes_sent":0,"bytes_received":0,"rss_bytes":0,"cpu_ms":0},"instances":[]}]`
	if got := f.Do(edge.Read, "GET", "/api/plugins", ""); got.Body != want {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	one := want[len("["):strings.Index(want, `,{"kind":"",`)]
	for sum, body := range map[string]string{"a": one, "b": ""} {
		if got := f.Do(edge.Read, "GET", "/api/plugins/"+strings.Repeat(sum, 64), ""); body != "" && got.Body != body || body == "" && got.Status != 404 {
			t.Errorf("one with the sha256 %s…: %d %s", sum, got.Status, got.Body)
		}
	}
	if got := f.Do(edge.Read, "GET", "/api/plugins/fs", ""); got.Status != 400 {
		t.Errorf("by no sha256: %d %s", got.Status, got.Body)
	}
	if got := f.Do(edge.Read, "GET", "/api/plugins/storage/fs", ""); got.Body != `{"name":"fs"}` {
		t.Errorf("one: %d %s", got.Status, got.Body)
	}
	if got := f.Do(edge.Read, "GET", "/api/plugins/storage/none", ""); got.Status != 404 {
		t.Errorf("none: %d %s", got.Status, got.Body)
	}
	if got := f.Do(edge.Administer, "POST", "/api/plugins/storage/fs/rollback", ""); got.Status != 409 {
		t.Errorf("nothing to go back to: %d %s", got.Status, got.Body)
	}
}
