package cli

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models"
	"github.com/corral-fleet/corral/controlplane/internal/models/fit"
)

// loop is a model of the catalogue that is on its way to hosts.
func loop() fleet.Model {
	return fleet.Model{
		ID: "m_loop", Name: "acme/loop:q4", Digest: "0123456789abcdef", SizeBytes: 3 * gib, Status: fleet.ModelAvailable, Progress: new(45),
		Description: new("For the night shift.\nAsk \x1b[2J Ada."), Digests: []string{"0123456789abcdef"}, Format: "gguf", Family: "llama", Quantized: "Q4_K_M",
		Residencies: []fleet.Residency{
			{HostID: "h_aaaa", Host: "gpu-1", Instance: "default", Digest: "0123456789abcdef", Status: fleet.ModelAvailable},
			{HostID: "h_cccc", Host: "gpu-3", Instance: "default", Digest: "fedcba9876543210", Status: fleet.ModelLoaded},
		},
		Files:          []fleet.ModelFile{{Path: "loop.gguf", Storage: "models", Key: "models/acme/loop/q4/aaaabbbbcccc/loop.gguf", SizeBytes: 3 * gib, SHA256: "aaaabbbbccccdddd"}},
		ParameterCount: 7_241_732_096, ContextTokens: 8192, Capabilities: []string{"completion", "tools"}, License: "mit",
		Notes: []string{"It has no template."}, Problems: []string{"gpu-2 has no room"}, Pinned: true,
		Labels: map[string]string{"team": "night"}, Aliases: []string{"night:latest"}, WantedOn: []string{"h_aaaa", "h_bbbb"},
	}
}

// chosenHost is a host that gets a model, as the API tells of it.
type chosenHost struct {
	HostID    string          `json:"host_id"`
	Host      string          `json:"host"`
	Operation *shownOperation `json:"operation"`
}

// loopChosen is what a download of it answers: one host has it, one gets it, one is away.
func loopChosen() any {
	running := operationsOfFour()[0]
	away := shownOperation{Operation: fleet.Operation{
		ID: "op_5", Kind: fleet.DownloadOperation, Model: "acme/loop:q4", ModelID: "m_loop", HostID: "h_cccc", Host: "gpu-3", State: fleet.OperationWaiting,
		Reason: fleet.WaitsForHost, Message: "the host is away", CreatedAt: now(), ChangedAt: now(),
	}}
	return struct {
		fleet.Model

		Chosen []chosenHost `json:"chosen"`
	}{loop(), []chosenHost{{"h_aaaa", "gpu-1", nil}, {"h_bbbb", "gpu-2", &running}, {"h_cccc", "gpu-3", &away}}}
}

// fitsOfThree are a host where a model fits, one that it spills on, and one that is away.
func fitsOfThree() []fit.Fit {
	fits := fit.Fit{
		HostID: "h_aaaa", Host: "gpu-1", Instance: "default", Verdict: fit.Fits, Reason: "it needs 4.6 GiB of GPU memory, of which 20.0 GiB are free", Source: fit.Measured,
		ContextTokens: 8192, Parallel: 2, CacheType: "f16", LongestContextTokens: 131072, WeightsBytes: 3 * gib, CacheBytes: gib, ComputeBytes: gib / 4, OverheadBytes: 450 << 20,
		TotalBytes: 5 * gib, MeasuredBytes: 4 * gib, GPUBytes: 5 * gib, FreeBytes: 20 * gib, GPUs: []fit.GPU{},
	}
	spills := fits
	spills.HostID, spills.Host, spills.Verdict, spills.Source = "h_bbbb", "gpu-2", fit.Spills, fit.Estimated
	spills.Reason = "12 of 33 layers don't fit in the 2.0 GiB that are free on GPUs: 3.0 GiB stay in the host's main memory"
	spills.LongestContextTokens, spills.GPUBytes, spills.MainMemoryBytes, spills.FreeBytes = 0, 2*gib, 3*gib, 2*gib
	away := fit.Fit{
		HostID: "h_cccc", Host: "gpu-3", Verdict: fit.Unknown, Reason: "it needs 5.0 GiB; what is free there is not known: the host is \x1b[2J away", Source: fit.Estimated,
		ContextTokens: 4096, Parallel: 1, CacheType: "f16", WeightsBytes: 3 * gib, CacheBytes: gib, TotalBytes: 5 * gib, GPUs: []fit.GPU{},
	}
	return []fit.Fit{fits, spills, away}
}

// operationsOfFour are one of each that matters.
func operationsOfFour() []shownOperation {
	running := shownOperation{Operation: fleet.Operation{
		ID: "op_1", Kind: fleet.DownloadOperation, Model: "acme/loop:q4", ModelID: "m_loop", HostID: "h_bbbb", Host: "gpu-2", State: fleet.OperationRunning, Phase: "fetching",
		DoneBytes: gib, TotalBytes: 3 * gib, BytesPerSecond: 100 << 20, Attempts: 1, CreatedAt: now().Add(-time.Minute), StartedAt: now().Add(-time.Minute), ChangedAt: now(),
	}, Progress: 33, RemainingSeconds: new(int64(20))}
	again := shownOperation{Operation: fleet.Operation{
		ID: "op_2", Kind: fleet.DeleteOperation, Model: "old:latest", ModelID: "m_old", HostID: "h_aaaa", Host: "gpu-1", State: fleet.OperationWaiting,
		Error: "the host \x1b[2J went away", Code: "unavailable", Attempts: 3, RetryAt: now().Add(8 * time.Second), CreatedAt: now().Add(-time.Hour), StartedAt: now().Add(-time.Minute), ChangedAt: now(),
	}}
	done := shownOperation{Operation: fleet.Operation{
		ID: "op_3", Kind: fleet.StoreOperation, Model: "acme/loop:q4", ModelID: "m_loop", State: fleet.OperationDone, Phase: "inspecting",
		DoneBytes: 3 * gib, TotalBytes: 3 * gib, Attempts: 1, CreatedAt: now().Add(-2 * time.Hour), StartedAt: now().Add(-2 * time.Hour), ChangedAt: now(), EndedAt: now().Add(-2*time.Hour + 42*time.Second),
	}, Progress: 100}
	failed := shownOperation{Operation: fleet.Operation{
		ID: "op_4", Kind: fleet.DownloadOperation, Model: "acme/loop:q4", ModelID: "m_loop", HostID: "h_cccc", Host: "gpu-3", State: fleet.OperationFailed,
		Error: "the disk is full", Code: "no_space", Attempts: 1, CreatedAt: now().Add(-3 * time.Hour), StartedAt: now().Add(-3 * time.Hour), ChangedAt: now(), EndedAt: now().Add(-3 * time.Hour),
	}}
	return []shownOperation{running, again, done, failed}
}

// modelRoutes stands in for a control plane with a catalogue, unless it is empty, beside
// what hosts have.
func modelRoutes(t *testing.T, mux *http.ServeMux, empty bool, onHosts func() []fleet.Model) {
	t.Helper()
	say := func(w http.ResponseWriter, what any) {
		if err := json.NewEncoder(w).Encode(what); err != nil {
			t.Error(err)
		}
	}
	missing := func(w http.ResponseWriter) {
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"error":"that is not found","code":"not_found"}`)
	}
	all := func() []fleet.Model {
		if empty {
			return onHosts()
		}
		half := fleet.Model{ID: "m_half", Name: "half:latest", Status: fleet.ModelFailed, Problems: []string{"files are missing: \x1bhalf-00002-of-00002.gguf"}}
		return append([]fleet.Model{loop(), half}, onHosts()...)
	}
	operations := operationsOfFour()
	if empty {
		operations = []shownOperation{}
	}
	mux.HandleFunc("GET /api/models", func(w http.ResponseWriter, _ *http.Request) { say(w, all()) })
	model := func(pattern string, change func(m *fleet.Model, r *http.Request)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			for _, m := range all() {
				if ref := r.PathValue("id"); ref == m.ID || strings.EqualFold(ref, m.Name) {
					change(&m, r)
					say(w, m)
					return
				}
			}
			missing(w)
		})
	}
	mux.HandleFunc("POST /api/models", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if want := `{"source":"s3://models/tiny.gguf","name":"tiny","hosts":["gpu-1","gpu-2"]}`; string(body) != want {
			t.Errorf("an import asks %s, %v", body, err)
		}
		say(w, fleet.Model{ID: fleet.ModelID("tiny"), Name: "tiny:latest", Status: fleet.ModelUploading})
	})
	model("GET /api/models/{id}", func(*fleet.Model, *http.Request) {})
	model("POST /api/models/{id}/restore", func(*fleet.Model, *http.Request) {})
	model("DELETE /api/models/{id}", func(m *fleet.Model, r *http.Request) {
		m.PurgeAt = now().Add(24 * time.Hour)
		if q := r.URL.RawQuery; q != "" && q != "purge=true" && q != "hosts=gpu-1%2Cgpu-3" {
			t.Errorf("a deletion asks %s", q)
		}
	})
	mux.HandleFunc("GET /api/models/acme%2Floop:q4/fit", func(w http.ResponseWriter, r *http.Request) {
		var list []fit.Fit
		for _, f := range fitsOfThree() {
			if hosts := r.FormValue("hosts"); hosts == "" || strings.Contains(hosts, f.Host) {
				list = append(list, f)
			}
		}
		if q := r.URL.RawQuery; strings.Contains(q, "context") && q != "cache_type=q8_0&context=8192&hosts=gpu-1&parallel=2" {
			t.Errorf("a fit asks %s", q)
		}
		say(w, list)
	})
	mux.HandleFunc("POST /api/models/acme%2Floop:q4/download", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		switch string(body) {
		case `{}`, `{"hosts":["all"]}`, `{"hosts":["gpu-1","gpu-2"]}`, `{"labels":{"rack":"a7"},"count":2}`:
		default:
			t.Errorf("a download asks %s, %v", body, err)
		}
		say(w, loopChosen())
	})
	model("PATCH /api/models/{id}", func(m *fleet.Model, r *http.Request) {
		var p models.Patch
		if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
			t.Error(err)
		}
		if p.Description != nil {
			m.Description = p.Description
		}
		if p.Labels != nil {
			m.Labels = p.Labels
		}
		if p.Pinned != nil {
			m.Pinned = *p.Pinned
		}
		if p.Aliases != nil {
			m.Aliases = p.Aliases
		}
	})
	mux.HandleFunc("GET /api/operations", func(w http.ResponseWriter, r *http.Request) {
		list := []shownOperation{}
		for _, o := range operations {
			model, state := r.FormValue("model"), r.FormValue("state")
			if (model == "" || model == o.Model || model == o.ModelID) && (state == "" || state == string(o.State)) {
				list = append(list, o)
			}
		}
		say(w, list)
	})
	operation := func(w http.ResponseWriter, r *http.Request) {
		for _, o := range operations {
			if o.ID == r.PathValue("id") {
				say(w, o)
				return
			}
		}
		missing(w)
	}
	mux.HandleFunc("GET /api/operations/{id}", operation)
	mux.HandleFunc("POST /api/operations/{id}/cancel", operation)
	mux.HandleFunc("POST /api/operations/{id}/retry", func(w http.ResponseWriter, r *http.Request) {
		for _, o := range operations {
			if o.ID != r.PathValue("id") {
				continue
			}
			if o.State.Ended() {
				o = shownOperation{Operation: fleet.Operation{
					ID: "op_9", Kind: o.Kind, Model: o.Model, ModelID: o.ModelID, HostID: o.HostID, Host: o.Host, State: fleet.OperationWaiting, CreatedAt: o.EndedAt, ChangedAt: o.EndedAt,
				}}
			}
			say(w, o)
			return
		}
		missing(w)
	})
}
