package cli

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// hauling stands in for a control plane that brings a model to gpu-1 and gpu-2, a step
// further each time that somebody asks for the operations. gpu-3 can't be reached, and gets
// it later.
type hauling struct {
	t     *testing.T
	steps []step

	mu    sync.Mutex
	at    int
	asked bool // for hosts to get the model
}

// step is how things are: the states of the operations by host, "" for the storage.
type step map[string]fleet.OperationState

func (h *hauling) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.steps[min(h.at, len(h.steps)-1)]
	m := fleet.Model{ID: "m_1", Name: "tiny:latest", Digest: "aa", Status: fleet.ModelStored, Digests: []string{"aa"}, WantedOn: []string{"gpu-1-id", "gpu-2-id", "gpu-3-id"}, Residencies: []fleet.Residency{}}
	for _, host := range []string{"gpu-1", "gpu-2"} {
		if now[host] == fleet.OperationDone {
			m.Residencies = append(m.Residencies, fleet.Residency{HostID: host + "-id", Host: host, Digest: "aa", Status: fleet.ModelAvailable})
			m.Status = fleet.ModelAvailable
		}
	}
	var answer any = m
	switch {
	case r.URL.Path == "/api/operations" && !h.asked: // one of before, which does not count
		answer = []fleet.Operation{{ID: "op_before", Kind: fleet.DownloadOperation, HostID: "gpu-1-id", Host: "gpu-1", State: fleet.OperationFailed}}
	case r.URL.Path == "/api/operations":
		answer = h.operations(now)
		h.at++
	case r.Method == http.MethodPost:
		h.asked = true
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		h.t.Error(err)
	}
}

func (h *hauling) operations(now step) []fleet.Operation {
	list := []fleet.Operation{}
	for host, state := range now {
		o := fleet.Operation{ID: "op_" + host, Kind: fleet.DownloadOperation, Model: "tiny:latest", HostID: host + "-id", Host: host, State: state, DoneBytes: 50, TotalBytes: 100}
		if host == "" {
			o.Kind, o.HostID = fleet.StoreOperation, ""
		}
		if state == fleet.OperationFailed {
			o.Error = "the disk is full"
		}
		list = append(list, o)
	}
	return append(list, fleet.Operation{
		ID: "op_gpu-3", Kind: fleet.DownloadOperation, Model: "tiny:latest", HostID: "gpu-3-id", Host: "gpu-3",
		State: fleet.OperationWaiting, Reason: fleet.WaitsForHost, Message: "the host is asleep",
	}, fleet.Operation{ID: "op_before", Kind: fleet.DownloadOperation, HostID: "gpu-1-id", Host: "gpu-1", State: fleet.OperationFailed})
}

func (h *hauling) run(args ...string) outcome {
	h.t.Helper()
	server := httptest.NewServer(h)
	defer server.Close()
	return run(h.t, map[string]string{"CORRAL_SERVER": server.URL}, "", args...)
}

func TestWaitingForHosts(t *testing.T) {
	const waiting, running, done, failed, cancelled = fleet.OperationWaiting, fleet.OperationRunning, fleet.OperationDone, fleet.OperationFailed, fleet.OperationCancelled
	for _, tc := range []struct {
		name           string
		steps          []step
		args           []string
		exit           int
		stdout, stderr string // parts of them
	}{
		{
			"all that can be reached",
			[]step{{"gpu-1": running, "gpu-2": waiting}, {"gpu-1": done, "gpu-2": running}, {"gpu-1": done, "gpu-2": done}},
			nil, 0,
			"model tiny:latest is available; hosts: gpu-1, gpu-2, 1 to come\nhost gpu-3 can't be reached, and gets it when it is back\n", "download tiny:latest to gpu-2: done",
		},
		{"those that are named", []step{{"gpu-1": running}, {"gpu-1": done}}, []string{"--hosts", "gpu-1"}, 0, "model tiny:latest is available; hosts: gpu-1, 2 to come\n", ""},
		{"one that fails while another goes on", []step{{"gpu-1": failed, "gpu-2": running}, {"gpu-1": failed, "gpu-2": done}}, nil, 1, "", "corral: 1 of 3 hosts did not get it; one of them: download tiny:latest to gpu-1: the disk is full\n"},
		{"one that is cancelled", []step{{"gpu-1": running}, {"gpu-1": cancelled}}, []string{"--hosts", "gpu-1-id"}, 1, "", "corral: download tiny:latest to gpu-1: somebody cancelled it\n"},
		{"no end", []step{{"gpu-1": running}}, []string{"--timeout", "2s"}, 1, "", "corral: it has not ended within 2s; it goes on, as corral op list shows\n"},
		{"a host that is away", []step{{}}, []string{"--hosts", "gpu-3", "--timeout", "2s"}, 1, "", "download tiny:latest to gpu-3: waiting: the host is asleep\n"},
		{"one that has it already", []step{{}}, []string{"--hosts", "gpu-2"}, 0, "model tiny:latest is stored; hosts: 3 to come\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := &hauling{t: t, steps: tc.steps}
			o := h.run(append([]string{"model", "download", "tiny", "--wait"}, tc.args...)...)
			if o.exit != tc.exit || o.stdout != tc.stdout || !strings.Contains(o.stderr, tc.stderr) {
				t.Errorf("exit %d\n%s%s\nwant exit %d\n%s%s", o.exit, o.stdout, o.stderr, tc.exit, tc.stdout, tc.stderr)
			}
		})
	}
}

func TestWatchingAllDoesNotWaitForWhatIsAway(t *testing.T) {
	t.Parallel()
	h := &hauling{t: t, steps: []step{{}}, asked: true}
	o := h.run("op", "watch")
	if o.exit != 0 || o.stdout != "nothing else is under way\n" || o.stderr != "download tiny:latest to gpu-3: not waited for: the host is asleep\n" {
		t.Errorf("exit %d\n%s%s", o.exit, o.stdout, o.stderr)
	}
}

// TestNothingIsToBeDone: a host that that has it already gets no operation, and is not waited for.
func TestNothingIsToBeDone(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var answer any = []fleet.Operation{}
		switch {
		case r.URL.Path == "/api/hosts":
			answer = []fleet.HostView{{Host: fleet.Host{ID: "h_1", Name: "gpu-1"}, State: fleet.HostOnline}}
		case strings.HasPrefix(r.URL.Path, "/api/models/"):
			answer = fleet.Model{ID: "m_1", Name: "tiny:latest", Digest: "aa", Status: fleet.ModelAvailable, WantedOn: []string{"h_1"}, Residencies: []fleet.Residency{{HostID: "h_1", Host: "gpu-1", Digest: "aa"}}}
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	o := run(t, map[string]string{"CORRAL_SERVER": server.URL}, "", "model", "download", "tiny", "--wait")
	if o.exit != 0 || o.stdout != "model tiny:latest is available; hosts: gpu-1\n" || o.stderr != "" {
		t.Errorf("exit %d, %q, %q", o.exit, o.stdout, o.stderr)
	}
}

func TestWatchingSeveralOperations(t *testing.T) {
	environment := map[string]string{"CORRAL_SERVER": controlPlane(t, fleetOfTwo()).URL, "CORRAL_KEY": "crl_test"}
	o := run(t, environment, "", "op", "watch", "op_3", "op_4")
	lines := strings.Split(o.stderr, "\n")
	for _, want := range []string{
		"store acme/loop:q4: done, 3.0 GiB, 42s", "download acme/loop:q4 to gpu-3: failed: the disk is full",
		"corral: 1 of 2 operations were not done; one of them: download acme/loop:q4 to gpu-3: the disk is full",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("%q is not told in\n%s", want, o.stderr)
		}
	}
	if o.exit != exitFailed || strings.Count(o.stdout, "\n") != 3 {
		t.Errorf("exit %d\n%s", o.exit, o.stdout)
	}
}
