package api

import (
	"strings"
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
	"github.com/corral-fleet/corral/sdk/fault"
)

func TestGPUsOfAHost(t *testing.T) {
	f := start(t, relaytest.NoModels)
	if got := f.Do(edge.Read, "GET", "/api/hosts/alpha/gpus", ""); got.Status != 200 || got.Body != `{"state":"unknown","cards":[]}` {
		t.Errorf("nothing told: %d %s", got.Status, got.Body)
	}
	f.registry.ReportGPUs("h1", 1, noon(), &fleet.GPUReport{State: fleet.GPUsOK, Source: "nvml", DriverVersion: "570.1", Cards: []fleet.GPUCard{{
		UUID: "GPU-0", Figures: map[string]int64{"pcie_width": 16}, UnaccountedBytes: new(int64(7)),
		Processes: []fleet.GPUProcess{{GPU: "GPU-0", PID: 4711, User: "ada", Name: "python3", MemoryBytes: new(int64(5))}},
	}}})
	want := `{"state":"ok","source":"nvml","driver_version":"570.1","cards":[{"uuid":"GPU-0","figures":{"pcie_width":16},"unaccounted_bytes":7}]}`
	if got := f.Do(edge.Read, "GET", "/api/hosts/alpha/gpus", ""); got.Status != 200 || got.Body != want {
		t.Errorf("%d %s, want %s", got.Status, got.Body, want)
	}
	if got := f.Do(edge.Read, "GET", "/api/hosts/alpha", ""); strings.Contains(got.Body, "python3") || !strings.Contains(got.Body, `"gpu_report":{"state":"ok"`) {
		t.Errorf("the host is %s", got.Body)
	}
	want = `[{"gpu":"GPU-0","pid":4711,"user":"ada","name":"python3","memory_bytes":5}]`
	if got := f.Do(edge.Operate, "GET", "/api/hosts/alpha/gpus/processes", ""); got.Status != 200 || got.Body != want {
		t.Errorf("%d %s, want %s", got.Status, got.Body, want)
	}
	if got := f.Do(edge.Read, "GET", "/api/hosts/alpha/gpus/processes", ""); got.Status != 403 {
		t.Errorf("a viewer sees the processes: %d %s", got.Status, got.Body)
	}
	if got := f.Do(edge.Read, "GET", "/api/hosts/beta/gpus", ""); got.Status != 503 {
		t.Errorf("of a host that is away: %d %s", got.Status, got.Body)
	}
}

func TestLettingGoOfGPUs(t *testing.T) {
	f := start(t, relaytest.NoModels)
	for _, c := range []struct {
		what, body string
		status     int
		asked      string
	}{
		{"release", "", 200, "h1 release 10m0s"},
		{"release", `{"seconds":90}`, 200, "h1 release 1m30s"},
		{"release", `{"seconds":0}`, 400, ""},
		{"release", `{"seconds":86401}`, 400, ""},
		{"release", `{"seconds":"10m"}`, 400, ""},
		{"acquire", "", 200, "h1 acquire"},
	} {
		f.link.asked = ""
		got := f.Do(edge.Operate, "POST", "/api/hosts/alpha/gpus/"+c.what, c.body)
		if got.Status != c.status || f.link.asked != c.asked {
			t.Errorf("%s %s: %d %s, asked %q", c.what, c.body, got.Status, got.Body, f.link.asked)
		}
		if got := f.Do(edge.Read, "POST", "/api/hosts/alpha/gpus/"+c.what, c.body); got.Status != 403 {
			t.Errorf("a viewer may %s: %d", c.what, got.Status)
		}
		if got := f.Do(edge.Operate, "POST", "/api/hosts/beta/gpus/"+c.what, ""); got.Status != 503 {
			t.Errorf("%s of a host that is away: %d %s", c.what, got.Status, got.Body)
		}
	}
	f.link.err = fault.New(fault.Unavailable, "2 of them hang").On(fault.Host)
	if got := f.Do(edge.Operate, "POST", "/api/hosts/alpha/gpus/release", ""); got.Status != 503 || !strings.Contains(got.Body, "hang") {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}
