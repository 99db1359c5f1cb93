package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/summary"
	"github.com/corral-fleet/corral/sdk/client"
)

// now is the time in every test.
func now() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

const gib = 1 << 30

// fleetOfTwo is a host that works hard and one that is away.
func fleetOfTwo() []fleet.HostView {
	llama := fleet.HostModel{Name: "llama3:latest", Digest: "aa", SizeBytes: 4_661_224_676, ParameterSize: "8.0B", Quantization: "Q4_0"}
	return []fleet.HostView{
		{
			Host: fleet.Host{
				ID: "h_aaaa", Name: "gpu-1", Labels: map[string]string{"rack": "a7", "owner": "research"}, Draining: true,
				JoinedAt: now().Add(-72 * time.Hour), SeenAt: now().Add(-3 * time.Hour),
				Facts: fleet.Facts{Platform: "debian 12.5", Arch: "amd64", Kernel: "6.1.0", AgentVersion: "v0.1.0", PeerAddress: "10.0.0.7:11437", CPUModel: "Model 7", CPUCores: 64, MemoryBytes: 256 * gib},
			},
			State: fleet.HostDegraded, ConnectedAt: now().Add(-3*time.Hour - 12*time.Minute),
			Problems: []fleet.Problem{
				{Code: "crash_loop", Message: "Ollama ends again and again"},
				{Code: "clock_offset", Message: "the host's clock is off\x1b[31m by 7s"},
			},
			Sample:    &fleet.Sample{CPUPercent: new(12.4), Memory: &fleet.Memory{TotalBytes: 256 * gib, UsedBytes: 64 * gib}, GPUs: gpus()},
			GPUReport: gpuReport(),
			Instances: []fleet.Instance{{
				Name: "default", Mode: "systemd", State: fleet.InstanceReady, Version: "0.17.4", StartedAt: now().Add(-5 * time.Minute),
				InFlight: 2, RestartCount: 3, ModelsKnown: true,
				Restarts: []fleet.Restart{{At: now().Add(-5 * time.Minute), Cause: "generation_stalled"}},
				Models:   []fleet.HostModel{llama, {Name: "tiny:latest", Digest: "bb"}},
				Loaded:   []fleet.LoadedModel{{Name: "llama3:latest", Digest: "aa", SizeBytes: 6 * gib, SizeVRAMBytes: 3 * gib, GPUs: []fleet.GPUShare{{UUID: "GPU-aa"}}}},
				Reason:   "settings_pending", Message: "A restart would change OLLAMA_NUM_PARALLEL to 3.",
				Unit: &fleet.Unit{
					Name: "corral-ollama@default.service", ActiveState: "active", SubState: "running", Result: "success",
					RestartCount: 1, MemoryBytes: 7 * gib,
				},
			}},
		},
		{
			Host:  fleet.Host{ID: "h_bbbb", Name: "gpu-2", JoinedAt: now().Add(-time.Hour), SeenAt: now().Add(-90 * time.Second)},
			State: fleet.HostAway,
		},
	}
}

// gpus are one that is hot and one that was lost.
func gpus() []fleet.GPU {
	return []fleet.GPU{
		{
			UUID: "GPU-aa", Name: "Example 80GB", State: fleet.GPUOK, UtilizationPercent: new(97.2), MemoryUsedBytes: new(int64(60 * gib)), MemoryTotalBytes: new(int64(80 * gib)),
			TemperatureCelsius: new(88.0), PowerWatts: new(640.5), SMClockMHz: new(1400.0), Throttled: []string{"power_cap", "thermal"},
		},
		{UUID: "GPU-bb", Index: 1, Name: "Example 80GB", State: fleet.GPULost, Message: "it fell off the bus", Source: "recorded:dgxh100"},
	}
}

func gpuReport() *fleet.GPUReport {
	return &fleet.GPUReport{
		State: fleet.GPUsOK, Source: "nvml", DriverVersion: "570.172.08", CUDAVersion: "12.8",
		Conditions: []fleet.Problem{{Code: "kernel_log_unreadable", Message: "The kernel log can't be read."}},
		Events: []fleet.GPUEvent{{
			At: now().Add(-time.Hour), UUID: "GPU-bb", Xid: new(79), Message: "Xid 79: GPU has fallen off the bus", Action: "RESTART_BM", Advice: "Drain the host and restart it.",
		}},
		Cards: []fleet.GPUCard{{
			UUID: "GPU-aa", Address: "0000:18:00.0", Serial: "1653023", Architecture: "Hopper", ComputeCapability: "9.0",
			Figures: map[string]int64{"pcie_width": 16, "margin_celsius": -1}, UnaccountedBytes: new(int64(gib)),
			Parts: []fleet.GPUPart{{UUID: "MIG-1", Name: "1g.10gb", MemoryTotalBytes: new(int64(10 * gib)), MemoryUsedBytes: new(int64(0))}},
		}},
	}
}

// decision is one between a host that is warm, one that is not, and many more.
func decision() fleet.Decision {
	return fleet.Decision{
		ID: "r1-2a", At: now().Add(-time.Minute), Model: "llama3", Digest: "aa", Path: "/api/chat", PromptBytes: 4096,
		MaxTokens: new(200), Streams: true, Options: []string{"num_ctx=8192"}, QueuedSeconds: 1.5,
		HostID: "h_aaaa", Host: "gpu-1", Instance: "default", Considered: 40,
		Candidates: []fleet.Candidate{
			{
				HostID: "h_aaaa", Host: "gpu-1", Instance: "default", Chosen: true, Why: "expected to be done first",
				InFlight: 1, Slots: 2, Loaded: true, MatchedBytes: 3840,
				Price: &fleet.Price{PromptSeconds: 0.06, GenerationSeconds: 4, TotalSeconds: 4.06, CostSeconds: 4.06},
			},
			{
				HostID: "h_cccc", Host: "gpu-3", Instance: "default", Why: "would have to load the model", Slots: 1,
				Price: &fleet.Price{LoadSeconds: 5.5, PromptSeconds: 1, GenerationSeconds: 4, TotalSeconds: 10.5, CostSeconds: 10.5},
			},
			{HostID: "h_bbbb", Host: "gpu-2", Instance: "default", Why: "cannot serve now: its host is away or draining, or its Ollama is not ready"},
		},
	}
}

// breakers are one of a host that cannot be reached, one of a model that is
// tried again, and one that holds.
func breakers() []fleet.Breaker {
	return []fleet.Breaker{
		{
			HostID: "h_aaaa", Host: "gpu-1", Instance: "default", State: fleet.BreakerOpen, Since: now().Add(-6 * time.Second),
			FailuresInARow: 5, Failures: 5, Successes: 20, LastKind: "refused", LastError: "the host could\x1b[2J not be reached",
			LastErrorAt: now().Add(-6 * time.Second), NextProbeAt: now().Add(10 * time.Second),
		},
		{
			HostID: "h_aaaa", Host: "gpu-1", Instance: "default", Model: "llama3:latest", State: fleet.BreakerHalfOpen, Since: now().Add(-70 * time.Second),
			FailuresInARow: 6, Failures: 6, LastKind: "server_error", LastError: "Ollama answered with an error",
			LastErrorAt: now().Add(-20 * time.Second), NextProbeAt: now().Add(-time.Second),
		},
		{
			HostID: "h_bbbb", Host: "gpu-2", Instance: "default", Model: "tiny:latest", State: fleet.BreakerClosed, Since: now().Add(-3 * time.Second),
			FailuresInARow: 1, Failures: 1, Successes: 2, LastKind: "broken_answer", LastError: "the answer broke off", LastErrorAt: now().Add(-3 * time.Second),
		},
	}
}

// view is hosts as a summary wants them.
type view []fleet.HostView

func (v view) Hosts() []fleet.HostView { return v }
func (view) Doubt() fleet.Doubt        { return fleet.Doubt{} }

// served counts no requests: what these tests look at does not show any.
type served struct{}

func (served) Requests() int64             { return 7 }
func (served) MeanResponse() time.Duration { return 0 }

// controlPlane stands in for a control plane with these hosts, in its own words.
func controlPlane(t *testing.T, hosts []fleet.HostView) *httptest.Server {
	t.Helper()
	started := now().Add(-26 * time.Hour)
	clock := func() time.Time { return started }
	sum := summary.New(view(hosts), served{}, func() int { return 0 }, func() []summary.StorageStatus { return []summary.StorageStatus{} },
		func() []fleet.Model { return fleet.ModelsOf(hosts) }, "v0.1.0", func() time.Time { return clock() })
	clock = now
	mux := http.NewServeMux()
	say := func(pattern string, what func() any) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
			if err := json.NewEncoder(w).Encode(what()); err != nil {
				t.Errorf("%s: %v", pattern, err)
			}
		})
	}
	say("GET /api/system/status", func() any { return sum.Status() })
	modelRoutes(t, mux, len(hosts) == 0, sum.Models)
	say("GET /api/hosts", func() any { return hosts })
	tokens := []fleet.Token{{
		ID: "tok_aaaa", Labels: map[string]string{"rack": "a7"}, CreatedAt: now(), ExpiresAt: now().Add(time.Hour), UsesLeft: 3, Approve: true,
	}}
	say("GET /api/tokens", func() any { return tokens[:min(1, len(hosts))] })
	mux.HandleFunc("DELETE /api/tokens/tok_aaaa", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	say("GET /api/routing/decisions/r1-2a", func() any { return decision() })
	queues := []fleet.Line{{Model: "llama3:latest", Digest: "aa", Places: 4, Serving: 4, Waiting: 12}, {Model: "tiny:latest", Digest: "bb", Places: 1, Serving: 1, Waiting: 1}}
	say("GET /api/routing/queues", func() any { return queues[:min(2, 2*len(hosts))] })
	say("GET /api/routing/breakers", func() any { return breakers()[:min(3, 2*len(hosts))] })
	mux.HandleFunc("POST /api/routing/breakers/reset", func(w http.ResponseWriter, r *http.Request) {
		var which client.BreakerFilter
		if err := json.NewDecoder(r.Body).Decode(&which); err != nil {
			t.Errorf("which breakers: %v", err)
		}
		closed := 2
		if which.Model != "" {
			closed = 1
		}
		fmt.Fprintf(w, `{"closed":%d}`, closed)
	})
	for _, h := range hosts {
		say("GET /api/hosts/"+h.Name, func() any { return h })
		say("GET /api/hosts/"+h.Name+"/gpus", func() any {
			return struct {
				*fleet.GPUReport
				Cards []fleet.GPUCard `json:"cards"`
			}{h.GPUReport, h.GPUReport.Cards}
		})
		say("GET /api/hosts/"+h.Name+"/gpus/processes", func() any {
			if h.GPUReport == nil {
				return []fleet.GPUProcess{}
			}
			return []fleet.GPUProcess{
				{GPU: "GPU-aa", PID: 4711, User: "ollama", Name: "ollama", Kind: "compute", MemoryBytes: new(int64(6 * gib)), Instance: "default"},
				{GPU: "GPU-aa", PID: 4712, User: "ada", Name: "python3", Kind: "compute"},
			}
		})
		mux.HandleFunc("POST /api/hosts/"+h.Name+"/gpus/release", func(w http.ResponseWriter, r *http.Request) {
			if body, err := io.ReadAll(r.Body); err != nil || string(body) != `{"seconds":90}` {
				t.Errorf("a release asks %s, %v", body, err)
			}
			if err := json.NewEncoder(w).Encode(h); err != nil {
				t.Error(err)
			}
		})
		say("POST /api/hosts/"+h.Name+"/gpus/acquire", func() any { return h })
		say("POST /api/hosts/"+h.Name+"/drain", func() any { return h })
		say("POST /api/hosts/"+h.Name+"/undrain", func() any { return h })
		say("POST /api/hosts/"+h.Name+"/approve", func() any { return h })
		say("DELETE /api/hosts/"+h.Name, func() any { return h })
		mux.HandleFunc("PATCH /api/hosts/"+h.Name, func(w http.ResponseWriter, r *http.Request) {
			changed := h
			changed.Labels = nil
			if err := json.NewDecoder(r.Body).Decode(&changed); err != nil {
				t.Errorf("the change: %v", err)
			}
			if err := json.NewEncoder(w).Encode(changed); err != nil {
				t.Error(err)
			}
		})
		say("POST /api/hosts/"+h.Name+"/ollama/default/restart", func() any { return h })
	}
	mux.HandleFunc("GET /api/hosts/gpu-1/logs", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "asked with "+r.URL.RawQuery+"\nlevel=INFO \x1b]0;title\x07msg=ready\n")
	})
	mux.HandleFunc("POST /api/chat", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"message":"Hello!","model":"tiny","tokens":2,"response_time":1250}`)
	})
	mux.HandleFunc("POST /api/chat/stream", func(w http.ResponseWriter, r *http.Request) {
		var q struct{ Message string }
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			t.Errorf("the question: %v", err)
		}
		for _, piece := range append(strings.SplitAfter("You said: "+q.Message, " "), "\x1b[2J") {
			event, _ := json.Marshal(map[string]any{"message": piece, "done": false})
			io.WriteString(w, "data: "+string(event)+"\n\n")
		}
		io.WriteString(w, `data: {"message":"","done":true,"tokens":2,"response_time":3}`+"\n\n")
	})
	storageRoutes(t, mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(404)
		io.WriteString(w, `{"error":"there is nothing at `+r.URL.Path+`","code":"not_found"}`)
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer crl_test" {
			w.WriteHeader(401)
			io.WriteString(w, `{"error":"a key is needed","code":"unauthenticated"}`)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server
}

// outcome is what a run left.
type outcome struct {
	stdout, stderr string
	exit           int
}

// run runs the command line in an environment.
func run(t *testing.T, environment map[string]string, stdin string, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	exit := Program{
		Args: args, Getenv: func(name string) string { return environment[name] },
		Stdin: strings.NewReader(stdin), Stdout: &stdout, Stderr: &stderr, Now: now, Version: "v0.1.0",
	}.Run(t.Context())
	return outcome{stdout.String(), stderr.String(), exit}
}
