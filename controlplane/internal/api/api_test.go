package api

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
	"github.com/corral-fleet/corral/sdk/fault"
)

func TestPermissions(t *testing.T) {
	relaytest.CheckPermissions(t, start(t, relaytest.NoModels).api.Routes())
}

// The guide's objects: every key and type of it, and what has nothing to say is null.
func TestGuidesObjects(t *testing.T) {
	f := start(t, relaytest.NoModels)
	tiny := `{"id":"` + fleet.ModelID("tiny") + `","name":"tiny:latest","digest":"118367098b99","size":2717611,"status":"loaded","progress":null,"description":null,` +
		`"conflict":false,"digests":["118367098b99"],"format":"gguf","family":"llama","parameter_size":"1.35M","quantization":"F16","modified_at":"2026-11-23T15:15:45.946334704Z",` +
		`"residencies":[{"host_id":"h1","host":"alpha","instance":"default","digest":"118367098b99","status":"loaded","size_vram":0,"expires_at":"2026-11-23T15:20:45.946334704Z"}]}`
	loop := `{"id":"` + fleet.ModelID("hf.co/acme/loop:q4") + `","name":"hf.co/acme/loop:q4","digest":"ec7cb1860893","size":2663755,"status":"available","progress":null,"description":null,` +
		`"conflict":false,"digests":["ec7cb1860893"],"modified_at":"2026-11-23T15:15:46.946334704Z",` +
		`"residencies":[{"host_id":"h1","host":"alpha","instance":"default","digest":"ec7cb1860893","status":"available","size_vram":0}]}`
	metrics := `"active_models":1,"total_requests":42,"avg_response_time":1.5,"cpu_usage":0,"memory_usage":0,"active_connections":2,"hosts_reporting":0,`
	for path, want := range map[string]string{
		"/api/models":                               "[" + loop + "," + tiny + "]",
		"/api/models/tiny":                          tiny,
		"/api/models/" + fleet.ModelID("tiny"):      tiny,
		"/api/models/tiny@sha256:118367098b99":      tiny,
		"/api/models/hf.co%2Facme%2Floop%3Aq4":      loop,
		"/k/read/api/models/hf.co%2facme%2floop:q4": loop,
		"/api/metrics":                              "{" + metrics + `"hosts":[{"id":"h1","name":"alpha","state":"online","sample":null},{"id":"h2","name":"beta","state":"away","sample":null}],"gpus":[]}`,
		"/api/system/status": `{"status":"starting","version":"1.2.3","uptime_seconds":0,"hosts":{"total":2,"online":1,"degraded":0},"models":{"total":2,"loaded":1},` +
			`"gpus":{"total":0,"unhealthy":0},"storage":[],"problems":["host \"beta\" is away: its agent is not connected"]}`,
		"/healthz": `{"status":"ok"}`,
		"/readyz":  `{"status":"ready"}`,
	} {
		got := f.Do(edge.Read, "GET", path, "")
		if got.Status != 200 || got.Header.Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("%s: %d %s", path, got.Status, got.Header.Get("Content-Type"))
		}
		if diff := cmp.Diff(want, got.Body); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
}

func TestUnknownModels(t *testing.T) {
	f := start(t, relaytest.NoModels)
	for _, c := range []struct{ method, path, ref string }{
		{"GET", "/api/models/nope", "nope"},
		{"GET", "/api/models/tiny@sha256:other", "tiny@sha256:other"},
		{"DELETE", "/api/models/nope", "nope"},
		{"POST", "/api/models/nope/download", "nope"},
	} {
		got := f.Do(edge.Operate, c.method, c.path, "")
		if want := errorOf(fault.NotFound, `model \"`+c.ref+`\" not found`); got.Status != 404 || got.Body != want {
			t.Errorf("%s %s: %d %s, want %s", c.method, c.path, got.Status, got.Body, want)
		}
	}
}

func TestNotReady(t *testing.T) {
	f := start(t, relaytest.NoModels)
	f.reasons = []string{"the history is full", "no certificate"}
	want := `{"error":"the server is not ready: the history is full","code":"unavailable","reasons":["the history is full","no certificate"]}`
	if got := f.Do(0, "GET", "/readyz", ""); got.Status != 503 || got.Body != want {
		t.Errorf("%d %s", got.Status, got.Body)
	}
	if got := f.Do(0, "GET", "/healthz", ""); got.Status != 200 {
		t.Errorf("healthz: %d", got.Status)
	}
}

// What is not built says so, whatever comes with the request.
func TestUnbuiltRoutesSaySo(t *testing.T) {
	f := start(t, relaytest.NoModels)
	for _, r := range unbuiltRoutes() {
		path := strings.NewReplacer("{path...}", "x", "{", "", "}", "").Replace(r.Path)
		got := f.Do(edge.Operate, r.Method, path, "")
		if got.Status != 501 || r.Method != "HEAD" && (!strings.Contains(got.Body, `"not_implemented"`) || !strings.Contains(got.Body, "not built yet")) {
			t.Errorf("%s %s: %d %s", r.Method, path, got.Status, got.Body)
		}
	}
}
