package api

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
	"github.com/corral-fleet/corral/controlplane/internal/storages"
	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/memory"
)

// memoryPlugin is the one plugin that there is, "mem", whose storages are all the
// same one.
type memoryPlugin struct {
	*memory.Backend

	err       error  // of its service
	beforeGet func() // called when a file is about to be read
}

func (p *memoryPlugin) Names() []string { return []string{"mem"} }

func (p *memoryPlugin) Describe(_ context.Context, plugin string) (storages.Description, error) {
	if plugin != "mem" {
		return storages.Description{}, fault.New(fault.NotFound, "no plugin")
	}
	return storages.Description{Schema: 2, Secrets: []string{"password"}}, nil
}

func (p *memoryPlugin) Check(_ context.Context, _ string, c storages.Configuration, online bool) ([]config.Fault, error) {
	if strings.Contains(string(c.JSON), "wrong") {
		return []config.Fault{{Field: "size", Message: "wants a whole number, not text"}}, nil
	}
	if !online {
		return nil, nil
	}
	return nil, p.err
}

func (p *memoryPlugin) Migrate(_ context.Context, _ string, c storages.Configuration) (storages.Configuration, error) {
	return c, nil
}

func (p *memoryPlugin) Open(string, string, storages.Configuration) storages.Instance { return p }
func (*memoryPlugin) Changed() <-chan struct{}                                        { return nil }
func (*memoryPlugin) Close() error                                                    { return nil }
func (*memoryPlugin) Opened(context.Context) error                                    { return nil }
func (*memoryPlugin) Condition() storages.Condition {
	return storages.Condition{State: storages.Ready, Since: noon(), CheckedAt: noon()}
}

func (p *memoryPlugin) Get(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
	if p.beforeGet != nil {
		p.beforeGet()
	}
	return p.Backend.Get(ctx, key, r)
}

func (p *memoryPlugin) Stat(ctx context.Context, key string) (storage.Info, error) {
	if p.err != nil {
		return storage.Info{}, p.err
	}
	return p.Backend.Stat(ctx, key)
}

func TestStoragesAreMadeAndChanged(t *testing.T) {
	f := start(t, relaytest.NoModels)
	const a = `{"name":"a","plugin":"mem","config":{"password":"***","size":1},"config_version":2,"status":"ready","message":"","since":"2026-03-01T12:00:00Z",` +
		`"checked_at":"2026-03-01T12:00:00Z","origin":"saved","set_in":"","address":"storage://a/","hosts_read":false,"capabilities":["create"],"read_only":false}`
	made := f.Do(edge.Operate, "POST", "/api/storage", `{"name": "a", "plugin": "mem", "config": {"size": 1, "password": "p4ss"}}`)
	if made.Status != 201 || made.Body != a {
		t.Errorf("made: %d %s", made.Status, made.Body)
	}
	if got := f.Do(edge.Read, "GET", "/api/storage/a", ""); got.Body != a {
		t.Errorf("read: %d %s", got.Status, got.Body)
	}
	var all []storages.View
	if got := f.Do(edge.Read, "GET", "/api/storage", ""); json.Unmarshal([]byte(got.Body), &all) != nil || len(all) != 3 || strings.Contains(got.Body, "p4ss") {
		t.Errorf("all: %d %s", got.Status, got.Body)
	}
	if got := f.Do(edge.Operate, "PUT", "/api/storage/a", `{"config": {"size": 2, "password": "***"}, "config_version": 2}`); got.Status != 200 || !strings.Contains(got.Body, `{"password":"***","size":2}`) {
		t.Errorf("changed: %d %s", got.Status, got.Body)
	}
	if list, err := f.db.Storages(t.Context()); err != nil || len(list) != 1 || list[0].Secrets["password"] != "p4ss" {
		t.Errorf("stored: %+v, %v", list, err)
	}
	if got := f.Do(edge.Operate, "POST", "/api/storage/a/check", ""); got.Status != 200 {
		t.Errorf("checked: %d %s", got.Status, got.Body)
	}
	if got := f.Do(edge.Operate, "DELETE", "/api/storage/a", ""); got.Status != 200 {
		t.Errorf("removed: %d %s", got.Status, got.Body)
	}
	if got := f.Do(edge.Read, "GET", "/api/storage/a", ""); got.Status != 404 {
		t.Errorf("then: %d %s", got.Status, got.Body)
	}
}

func TestWhatIsWrongWithAStorageIsToldByField(t *testing.T) {
	f := start(t, relaytest.NoModels)
	field := func(name, message string) string {
		return `{"code":"invalid","error":"` + name + `: ` + message + `","fields":[{"field":"` + name + `","message":"` + message + `"}]}`
	}
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", "/api/storage", `{"name": "a", "plugin": "mem", "config": {"size": "wrong"}}`, 400, field("config.size", "wants a whole number, not text")},
		{"POST", "/api/storage", `{"name": "a", "plugin": "none"}`, 400, field("plugin", `there is no storage plugin \"none\"; there are mem`)},
		{"POST", "/api/storage?check=maybe", `{"name": "a", "plugin": "mem"}`, 400, errorOf(fault.Invalid, `the parameter \"check\" is \"maybe\", neither online nor offline`)},
		{"POST", "/api/storage", `{"name": "pinned", "plugin": "mem"}`, 409, errorOf(fault.Conflict, `a storage named \"pinned\" exists already`)},
		{"PUT", "/api/storage/pinned", `{"plugin": "mem"}`, 409, errorOf(fault.Conflict, `the storage \"pinned\" is set in corral.yaml:3; change it there`)},
		{"DELETE", "/api/storage/pinned", ``, 409, errorOf(fault.Conflict, `the storage \"pinned\" is set in corral.yaml:3; change it there`)},
		{"PUT", "/api/storage/default", `{"config": {"size": 1}, "config_version": 1}`, 409, errorOf(fault.Conflict, `the configuration is of version 1, and the plugin \"mem\" has version 2 now: load it again, and then change it`)},
		{"PUT", "/api/storage/none", `{"plugin": "mem"}`, 404, errorOf(fault.NotFound, `there is no storage named \"none\"`)},
		{"POST", "/api/storage/default/check", `{"config": {"size": "wrong"}}`, 400, field("config.size", "wants a whole number, not text")},
		{"POST", "/api/config", `{"server": {"timeout": -1}}`, 400, field("server.timeout", "-1 is not from 1 to 86400")},
	} {
		may := edge.Operate
		if c.path == "/api/config" {
			may = edge.Administer
		}
		if got := f.Do(may, c.method, c.path, c.body); got.Status != c.status || got.Body != c.want {
			t.Errorf("%s %s %s:\ngot  %d %s\nwant %d %s", c.method, c.path, c.body, got.Status, got.Body, c.status, c.want)
		}
	}
}

// That a service knows nobody is not that we don't know the caller, whom a browser
// would then ask to log in again.
func TestAServiceThatRefusesIsNotUs(t *testing.T) {
	f := start(t, relaytest.NoModels)
	f.plugin.err = fault.New(fault.Unauthenticated, "the key is unknown").On(fault.Service)
	if got := f.Do(edge.Operate, "POST", "/api/storage", `{"name": "a", "plugin": "mem"}`); got.Status != 400 || !strings.Contains(got.Body, `"fields":[{"field":"config","message":"the key is unknown"}]`) {
		t.Errorf("saving: %d %s", got.Status, got.Body)
	}
	if got := f.Do(edge.Operate, "POST", "/api/storage?check=offline", `{"name": "a", "plugin": "mem"}`); got.Status != 201 {
		t.Errorf("saving without a look: %d %s", got.Status, got.Body)
	}
	want := errorOf(fault.Unavailable, `the service of the storage \"a\" refuses: the key is unknown`)
	if got := f.Do(edge.Read, "GET", "/api/storage/a/file?path=x", ""); got.Status != 503 || got.Body != want {
		t.Errorf("reading: %d %s", got.Status, got.Body)
	}
	f.plugin.err = fault.New(fault.Internal, "a bug").On(fault.Plugin)
	if got := f.Do(edge.Read, "GET", "/api/storage/a/file?path=x", ""); got.Status != 503 {
		t.Errorf("a bug of the plugin: %d %s", got.Status, got.Body)
	}
}

func TestEventsAreListed(t *testing.T) {
	f := start(t, relaytest.NoModels)
	if got := f.Do(edge.Read, "GET", "/api/events", ""); got.Body != "[]" {
		t.Errorf("none: %s", got.Body)
	}
	f.events.Add(fleet.Event{Type: "storage_state", Subject: "a", State: "degraded", Message: "away"})
	f.events.Add(fleet.Event{Type: "storage_state", Subject: "a", State: "ready"})
	var list []fleet.Event
	got := f.Do(edge.Read, "GET", "/api/events", "")
	if err := json.Unmarshal([]byte(got.Body), &list); err != nil || len(list) != 2 || list[0].State != "degraded" {
		t.Fatalf("%s, %v", got.Body, err)
	}
	first, _ := json.Marshal(list[0].ID)
	if got := f.Do(edge.Read, "GET", "/api/events?after="+string(first), ""); !strings.Contains(got.Body, `"state":"ready"`) || strings.Contains(got.Body, "degraded") {
		t.Errorf("after the first: %s", got.Body)
	}
	if got := f.Do(edge.Read, "GET", "/api/events?after=x", ""); got.Status != 400 {
		t.Errorf("after x: %d", got.Status)
	}
}
