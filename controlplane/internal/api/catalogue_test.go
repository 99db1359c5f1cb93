package api

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models"
	"github.com/corral-fleet/corral/controlplane/internal/models/operations"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
	"github.com/corral-fleet/corral/controlplane/internal/storages"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// shelves keeps the files of models in the fixture's storages.
type shelves struct{ *storages.Service }

func (s shelves) Put(ctx context.Context, name, key, localPath, sha256 string) (string, error) {
	return s.Keep(ctx, name, key, localPath, sha256)
}

func (s shelves) Open(ctx context.Context, name, key string, part storage.Range) (io.ReadCloser, error) {
	return s.Read(ctx, name, key, part)
}

func (s shelves) Source(context.Context, fleet.Target, fleet.ModelFile) (work.Source, error) {
	return work.Source{}, nil
}

// anything is a loader that takes every file.
type anything struct{}

func (anything) Inspect(context.Context, []fleet.ModelFile) (string, loader.Info, error) {
	return "any", loader.Info{Kind: loader.KindModel, Format: "gguf", Architecture: "llama", ContextTokens: 4096}, nil
}

func (anything) Plan(context.Context, string, loader.Request) (loader.Recipe, error) {
	return loader.Recipe{}, nil
}

// nobodyWorks is a fleet on which nothing is done: the service doesn't run in these tests.
type nobodyWorks struct{}

func (nobodyWorks) Work(context.Context, fleet.Target, work.Job, func(work.Event)) (work.Result, error) {
	return work.Result{}, nil
}

const stored = "GGUF and so on"

// store puts a model into the catalogue.
func (f *fixture) store(t *testing.T, name string) {
	t.Helper()
	local := filepath.Join(t.TempDir(), "m.gguf")
	if err := os.WriteFile(local, []byte(stored), 0o600); err != nil {
		t.Fatal(err)
	}
	sum := strings.Repeat("0123456789abcdef", 4)
	p := models.Parcel{Name: name, Description: "mine", Files: []models.ParcelFile{{Path: "m.gguf", Local: local, SizeBytes: int64(len(stored)), SHA256: sum}}}
	if err := f.models.Take(t.Context(), p); err != nil {
		t.Fatal(err)
	}
}

// model is what an answer says of one.
func modelIn(t *testing.T, got relaytest.Result, status int) (m fleet.Model) {
	t.Helper()
	if got.Status != status {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	if err := json.Unmarshal([]byte(got.Body), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAModelOfTheCatalogue(t *testing.T) {
	f := start(t, relaytest.NoModels)
	f.store(t, "mine:7b")
	m := modelIn(t, f.Do(edge.Read, "GET", "/api/models/mine:7b", ""), 200)
	if m.Status != fleet.ModelStored || m.SizeBytes != int64(len(stored)) || *m.Description != "mine" || m.Format != "gguf" || m.ContextTokens != 4096 || len(m.Files) != 1 {
		t.Errorf("stored it is %+v", m)
	}
	m = modelIn(t, f.Do(edge.Operate, "PATCH", "/api/models/"+m.ID, `{"description":"ours","labels":{"team":"red"},"pinned":true}`), 200)
	if *m.Description != "ours" || m.Labels["team"] != "red" || !m.Pinned {
		t.Errorf("described it is %+v", m)
	}
	m = modelIn(t, f.Do(edge.Operate, "POST", "/api/models/"+m.ID+"/download", `{"hosts":["beta"]}`), 202)
	if len(m.WantedOn) != 1 || m.WantedOn[0] != "h2" {
		t.Errorf("it is wanted on %v", m.WantedOn)
	}
	m = modelIn(t, f.Do(edge.Operate, "POST", "/api/models/"+m.ID+"/download", ""), 202)
	if len(m.WantedOn) != 2 { // the placement took the one that is there
		t.Errorf("it is wanted on %v", m.WantedOn)
	}
	m = modelIn(t, f.Do(edge.Operate, "DELETE", "/api/models/mine:7b?hosts=beta,h1", ""), 200)
	if len(m.WantedOn) != 0 || m.Status != fleet.ModelStored {
		t.Errorf("on no host it is %+v", m)
	}
	m = modelIn(t, f.Do(edge.Operate, "DELETE", "/api/models/mine:7b", ""), 200)
	if m.Status != fleet.ModelDeleting || m.PurgeAt.IsZero() {
		t.Errorf("deleted it is %+v", m)
	}
	m = modelIn(t, f.Do(edge.Operate, "POST", "/api/models/mine:7b/restore", ""), 200)
	if m.Status != fleet.ModelStored {
		t.Errorf("restored it is %+v", m)
	}
}

func TestAModelIsFoundByItsAliases(t *testing.T) {
	f := start(t, relaytest.NoModels)
	f.store(t, "mine:7b")
	f.store(t, "other")
	m := modelIn(t, f.Do(edge.Operate, "PATCH", "/api/models/mine:7b", `{"aliases":["Prod"]}`), 200)
	if len(m.Aliases) != 1 || m.Aliases[0] != "Prod:latest" {
		t.Errorf("it has the aliases %q", m.Aliases)
	}
	if m = modelIn(t, f.Do(edge.Read, "GET", "/api/models/prod", ""), 200); m.Name != "mine:7b" {
		t.Errorf("by its alias it is %+v", m)
	}
	for body, status := range map[string]int{`{"aliases":["prod"]}`: 409, `{"aliases":["tiny"],"move_aliases":true}`: 409, `{"aliases":["a b"]}`: 400} {
		if got := f.Do(edge.Operate, "PATCH", "/api/models/other", body); got.Status != status {
			t.Errorf("%s: %d %s", body, got.Status, got.Body)
		}
	}
	modelIn(t, f.Do(edge.Operate, "PATCH", "/api/models/other", `{"aliases":["prod"],"move_aliases":true}`), 200)
	if m = modelIn(t, f.Do(edge.Read, "GET", "/api/models/prod", ""), 200); m.Name != "other:latest" {
		t.Errorf("moved it is %+v", m)
	}
	if m = modelIn(t, f.Do(edge.Operate, "PATCH", "/api/models/prod", `{"aliases":[]}`), 200); len(m.Aliases) != 0 {
		t.Errorf("without any it is %+v", m)
	}
}

func TestADownloadSaysWhichHostsWereChosenAndWhatTheyWaitFor(t *testing.T) {
	f := start(t, relaytest.NoModels)
	f.store(t, "mine")
	got := f.Do(edge.Operate, "POST", "/api/models/mine/download", `{"hosts":["beta","alpha"]}`)
	var answer downloading
	if err := json.Unmarshal([]byte(got.Body), &answer); err != nil || got.Status != 202 || answer.Model.Name != "mine:latest" || len(answer.Chosen) != 2 {
		t.Fatalf("%d %s, %v", got.Status, got.Body, err)
	}
	away, ready := answer.Chosen[0], answer.Chosen[1]
	if away.HostID != "h2" || away.Host != "beta" || away.Operation == nil || away.Operation.Reason != fleet.WaitsForHost || away.Operation.Message != "the host is away" {
		t.Errorf("of a host that is away it says %s", got.Body)
	}
	if ready.Host != "alpha" || ready.Operation == nil || ready.Operation.State != fleet.OperationWaiting || ready.Operation.Reason != "" {
		t.Errorf("of a host that is there it says %s", got.Body)
	}
	if got := f.Do(edge.Operate, "POST", "/api/operations/"+away.Operation.ID+"/cancel", ""); got.Status != 202 || !strings.Contains(got.Body, `"cancelled"`) {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if m := modelIn(t, f.Do(edge.Read, "GET", "/api/models/mine", ""), 200); len(m.WantedOn) != 1 || m.WantedOn[0] != ready.HostID {
		t.Errorf("with one of them cancelled it is wanted on %v", m.WantedOn)
	}
}

func TestWhatIsWrongWithARequestForAModel(t *testing.T) {
	f := start(t, relaytest.NoModels)
	f.store(t, "mine")
	for _, c := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"POST", "/api/models/mine/download", `{"hosts":["nowhere"]}`, 404, `there is no host`},
		{"POST", "/api/models/mine/download", `{"hosts":7}`, 400, `hosts`},
		{"POST", "/api/models/mine/download", `{"count":-1}`, 400, `count`},
		{"POST", "/api/models/mine/download", `{"count":9}`, 503, `9 hosts are wanted, and 1 could`},
		{"POST", "/api/models/mine/download", `{"labels":{"a":"b"}}`, 503, `no host`},
		{"POST", "/api/models/tiny/download", ``, 404, `the catalogue has no model`}, // only a host has it
		{"GET", "/api/models/mine/fit", ``, 409, `doesn't say how it is built`},
		{"GET", "/api/models/tiny/fit", ``, 404, `the catalogue has no model`},
		{"GET", "/api/models/nothing/fit", ``, 404, `not found`},
		{"GET", "/api/models/mine/fit?context=0", ``, 400, `context`},
		{"GET", "/api/models/mine/fit?context=-1", ``, 400, `context`},
		{"GET", "/api/models/mine/fit?parallel=many", ``, 400, `parallel`},
		{"DELETE", "/api/models/mine?hosts=nowhere", ``, 404, `there is no host`},
		{"DELETE", "/api/models/mine?purge=perhaps", ``, 400, `purge`},
		{"POST", "/api/models/mine/restore", ``, 409, `not deleted`},
		{"PATCH", "/api/models/mine", `{"labels":{"a b":"c"}}`, 400, `labels`},
		{"PATCH", "/api/models/mine", `{"description":"` + strings.Repeat("x", 2001) + `"}`, 400, `description`},
		{"PATCH", "/api/models/tiny", `{"pinned":true}`, 404, `the catalogue has no model`},
	} {
		got := f.Do(edge.Operate, c.method, c.path, c.body)
		if got.Status != c.status || !strings.Contains(got.Body, c.says) {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, got.Status, got.Body)
		}
	}
}

func TestOperationsAreToldCancelledAndTriedAgain(t *testing.T) {
	f := start(t, relaytest.NoModels)
	f.store(t, "mine")
	job := f.operations.Begin(operations.What{Kind: fleet.DownloadOperation, Model: "mine", HostID: "h1", Host: "alpha", TotalBytes: 400})
	job.Progress("fetching", 100, 400, "")
	var list []shownOperation
	got := f.Do(edge.Read, "GET", "/api/operations?state=waiting&model=mine", "")
	if err := json.Unmarshal([]byte(got.Body), &list); err != nil || len(list) != 1 || list[0].ID != job.ID() || list[0].Progress != 25 {
		t.Errorf("%d %s, %v", got.Status, got.Body, err)
	}
	if got := f.Do(edge.Read, "GET", "/api/operations/"+job.ID(), ""); got.Status != 200 || !strings.Contains(got.Body, `"phase":"fetching"`) {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if got := f.Do(edge.Operate, "POST", "/api/operations/"+job.ID()+"/cancel", ""); got.Status != 202 || !strings.Contains(got.Body, `"cancelled"`) {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	for path, status := range map[string]int{"/cancel": 409, "/retry": 409} {
		if got := f.Do(edge.Operate, "POST", "/api/operations/"+job.ID()+path, ""); got.Status != status {
			t.Errorf("%s: %d %s", path, got.Status, got.Body)
		}
	}
	if got := f.Do(edge.Read, "GET", "/api/operations/op_none", ""); got.Status != 404 {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}

func TestHostsReadFilesOfModelsByTheirAddressAlone(t *testing.T) {
	f := start(t, relaytest.NoModels)
	f.store(t, "mine")
	m := modelIn(t, f.Do(edge.Read, "GET", "/api/models/mine", ""), 200)
	address := f.modelTickets.File("h1", m.Files[0].Storage, m.Files[0].Key)
	if got := f.Do(0, "GET", address, ""); got.Status != 200 || got.Body != stored {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if got := f.Do(0, "GET", address, "", "Range: bytes=5-7"); got.Status != 206 || got.Body != stored[5:8] {
		t.Errorf("a part: %d %s", got.Status, got.Body)
	}
	for _, wrong := range []string{strings.Replace(address, "signature=", "signature=x", 1), strings.Replace(address, "m.gguf", "n.gguf", 1), models.FilePath + "default?path=x"} {
		if got := f.Do(0, "GET", wrong, ""); got.Status != 404 {
			t.Errorf("%s: %d %s", wrong, got.Status, got.Body)
		}
	}
	if got := f.Do(0, "GET", f.modelTickets.Program("h1", "abc"), ""); got.Status != 200 || got.Body != "a program" {
		t.Errorf("a program: %d %s", got.Status, got.Body)
	}
	if got := f.Do(0, "GET", f.modelTickets.Program("h1", "abd"), ""); got.Status != 404 {
		t.Errorf("a program that may not be run: %d %s", got.Status, got.Body)
	}
	if got := f.Do(0, "GET", address, "", "Origin: https://example.com"); got.Status != 403 {
		t.Errorf("for a browser: %d", got.Status)
	}
	if got := f.Do(edge.Operate, "DELETE", "/api/hosts/h1", ""); got.Status != 200 {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	if got := f.Do(0, "GET", address, ""); got.Status != 404 || !strings.Contains(got.Body, "removed") {
		t.Errorf("of a host that was removed: %d %s", got.Status, got.Body)
	}
}
