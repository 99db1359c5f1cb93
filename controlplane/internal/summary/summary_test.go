package summary

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// requests are the counts of a server that has been used.
type requests struct{}

func (requests) Requests() int64             { return 42 }
func (requests) MeanResponse() time.Duration { return 1500 * time.Microsecond }

// view is a list of hosts that can be changed.
type view struct {
	hosts []fleet.HostView
	doubt fleet.Doubt
}

func (v *view) Hosts() []fleet.HostView { return v.hosts }
func (v *view) Doubt() fleet.Doubt      { return v.doubt }

func noStorages() []StorageStatus { return []StorageStatus{} }

func newSummary(hosts ...fleet.HostView) (s *Summary, later func(time.Duration)) {
	now := noon()
	list := view{hosts: hosts}
	s = New(&list, requests{}, func() int { return 3 }, noStorages, func() []fleet.Model { return fleet.ModelsOf(list.Hosts()) }, "1.2.3", func() time.Time { return now })
	return s, func(d time.Duration) { now = now.Add(d) }
}

// host is a connected host with a reading: percent of so many cores, and used of
// so many bytes.
func host(name string, cores int, percent float64, total, used int64) fleet.HostView {
	return fleet.HostView{
		Host: fleet.Host{ID: "id of " + name, Name: name, Facts: fleet.Facts{CPUCores: cores}}, State: fleet.HostOnline,
		Sample: &fleet.Sample{CPUPercent: &percent, Memory: &fleet.Memory{TotalBytes: total, UsedBytes: used}},
	}
}

func TestUsageIsWeightedByWhatThereIs(t *testing.T) {
	blind := host("blind", 8, 0, 0, 0) // reports, but could read neither
	blind.Sample.CPUPercent, blind.Sample.Memory = nil, nil
	unknown := host("unknown", 64, 100, 0, 10) // of how much is not known
	unknown.Facts.CPUCores = 0                 // counts as one core
	silent := fleet.HostView{Host: fleet.Host{Name: "silent", Facts: fleet.Facts{CPUCores: 1000}}, State: fleet.HostAway}
	s, _ := newSummary(host("big", 30, 10, 900, 90), host("small", 9, 50, 100, 100), blind, unknown, silent)

	got := s.Update()
	want := MetricsUpdate{
		TotalRequests: 42, AvgResponseTime: 1.5, ActiveConnections: 3, HostsReporting: 4,
		CPUUsage:    (30*10 + 9*50 + 1*100) / 40.0,
		MemoryUsage: 19, // 190 of 1000
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestTheSixNumbersAreThereWithoutAHost(t *testing.T) {
	s, _ := newSummary()
	raw, err := json.Marshal(s.Metrics())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"active_models":0,"total_requests":42,"avg_response_time":1.5,"cpu_usage":0,"memory_usage":0,` +
		`"active_connections":3,"hosts_reporting":0,"hosts":[],"gpus":[]}`
	if diff := cmp.Diff(want, string(raw)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestAModelInMemoryTwiceIsOneActiveModel(t *testing.T) {
	loaded := func(names ...string) []fleet.Instance {
		i := fleet.Instance{Name: "default", State: fleet.InstanceReady}
		for _, n := range names {
			i.Models = append(i.Models, fleet.HostModel{Name: n, Digest: "d"})
			i.Loaded = append(i.Loaded, fleet.LoadedModel{Name: n, Digest: "d"})
		}
		i.Models = append(i.Models, fleet.HostModel{Name: "idle:1b", Digest: "d"})
		return []fleet.Instance{i}
	}
	a, b := host("a", 1, 0, 1, 0), host("b", 1, 0, 1, 0)
	a.Instances, b.Instances = loaded("tiny", "big:7b"), loaded("tiny:latest")
	s, _ := newSummary(a, b)
	if got := s.Update().ActiveModels; got != 2 {
		t.Errorf("%d models are active, want 2", got)
	}
	if diff := cmp.Diff(ModelCounts{Total: 3, Loaded: 2}, s.Status().Models); diff != "" {
		t.Errorf("counts (-want +got)\n%s", diff)
	}
	if len(s.Models()) != 3 {
		t.Errorf("%d models are listed, want 3", len(s.Models()))
	}
}

func TestMetricsShowEachHostsLastSample(t *testing.T) {
	a := host("a", 1, 25, 100, 50)
	s, _ := newSummary(a, fleet.HostView{Host: fleet.Host{ID: "b", Name: "b"}, State: fleet.HostAway})
	want := []HostReading{
		{ID: "id of a", Name: "a", State: fleet.HostOnline, Sample: a.Sample},
		{ID: "b", Name: "b", State: fleet.HostAway}, // no sample, and not one of zeros
	}
	if diff := cmp.Diff(want, s.Metrics().Hosts); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestGPUsAreCountedWhereTheyAreReported(t *testing.T) {
	gpus := func(states ...fleet.GPUState) []fleet.GPU {
		var list []fleet.GPU
		for i, state := range states {
			list = append(list, fleet.GPU{Index: i, State: state})
		}
		return list
	}
	a, b := host("a", 1, 0, 1, 0), host("b", 1, 0, 1, 0)
	a.Sample.GPUs = gpus(fleet.GPUOK, fleet.GPUDegraded, fleet.GPULost)
	b.Sample.GPUs = gpus(fleet.GPUUnknown)
	s, _ := newSummary(a, b, fleet.HostView{Host: fleet.Host{Name: "away"}, State: fleet.HostAway})
	if diff := cmp.Diff(GPUCounts{Total: 4, Unhealthy: 2}, s.Status().GPUs); diff != "" {
		t.Errorf("counts (-want +got)\n%s", diff)
	}
	want := []HostGPU{
		{HostID: "id of a", Host: "a", GPU: a.Sample.GPUs[0]},
		{HostID: "id of a", Host: "a", GPU: a.Sample.GPUs[1]},
		{HostID: "id of a", Host: "a", GPU: a.Sample.GPUs[2]},
		{HostID: "id of b", Host: "b", GPU: b.Sample.GPUs[0]},
	}
	if diff := cmp.Diff(want, s.Metrics().GPUs); diff != "" {
		t.Errorf("list (-want +got)\n%s", diff)
	}
}

func TestStatusOfAFleetThatIsWell(t *testing.T) {
	s, later := newSummary(host("a", 1, 0, 1, 0))
	later(90 * time.Second)
	want := SystemStatus{
		Status: "ok", Version: "1.2.3", UptimeSeconds: 90, Hosts: HostCounts{Total: 1, Online: 1},
		Storage: []StorageStatus{}, Problems: []string{},
	}
	if diff := cmp.Diff(want, s.Status()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if s, _ := newSummary(); s.Status().Status != "ok" {
		t.Errorf("without a host the status is %q", s.Status().Status)
	}
}

func TestHostsMayTakeAMomentToComeBack(t *testing.T) {
	s, later := newSummary(fleet.HostView{Host: fleet.Host{Name: "a"}, State: fleet.HostAway})
	if got := s.Status().Status; got != "starting" {
		t.Errorf("at first the status is %q", got)
	}
	later(settling)
	got := s.Status()
	if diff := cmp.Diff([]string{`host "a" is away: its agent is not connected`}, got.Problems); diff != "" || got.Status != "degraded" {
		t.Errorf("then it is %q with problems (-want +got)\n%s", got.Status, diff)
	}
}

func TestWhatBecomesOfHostsIsToldApart(t *testing.T) {
	list := &view{doubt: fleet.Doubt{Missing: 4, Of: 12}}
	for _, state := range []fleet.HostState{fleet.HostDisconnected, fleet.HostDead, fleet.HostAsleep} {
		list.hosts = append(list.hosts, fleet.HostView{Host: fleet.Host{Name: string(state), SeenAt: noon()}, State: state})
	}
	now := noon()
	s := New(list, requests{}, func() int { return 0 }, noStorages, func() []fleet.Model { return nil }, "1.2.3", func() time.Time { return now })
	if got := s.Status(); len(got.Problems) != 2 || got.Status != "starting" {
		t.Errorf("just started, it doubts itself already: %+v", got)
	}
	now = now.Add(settling)
	want := []string{
		"4 of 12 hosts were lost at once: the cause is rather this control plane or its network than each of them, so none of them counts as dead yet",
		`host "disconnected" is disconnected: its agent's connection broke a moment ago`,
		`host "dead" is dead: nothing was heard of its agent since 2026-03-01T12:00:00Z`,
	}
	if diff := cmp.Diff(want, s.Status().Problems); diff != "" {
		t.Errorf("problems (-want +got)\n%s", diff)
	}
}

func TestStoragesThatDoNotServeAreProblems(t *testing.T) {
	list := []StorageStatus{{Name: "a", Status: "ready"}, {Name: "b", Status: "failed", Problem: "storage b has no plugin"}}
	s := New(&view{}, requests{}, func() int { return 0 }, func() []StorageStatus { return list }, func() []fleet.Model { return nil }, "1.2.3", noon)
	if got := s.Status(); got.Status != "degraded" || len(got.Storage) != 2 || len(got.Problems) != 1 || got.Problems[0] != "storage b has no plugin" {
		t.Errorf("%+v", got)
	}
}

func TestProblemsAreNamed(t *testing.T) {
	ill := host("ill", 1, 0, 1, 0)
	ill.State, ill.Problems = fleet.HostDegraded, []fleet.Problem{{Code: "x", Message: "it hurts"}}
	s, _ := newSummary(ill, fleet.HostView{Host: fleet.Host{Name: "off"}, State: fleet.HostStopped})
	got := s.Status()
	want := []string{`host "ill": it hurts`, `host "off" is stopped: its agent was shut down`}
	if diff := cmp.Diff(want, got.Problems); diff != "" {
		t.Errorf("problems (-want +got)\n%s", diff)
	}
	if got.Status != "degraded" { // at once: nobody is missing
		t.Errorf("the status is %q", got.Status)
	}
	if diff := cmp.Diff(HostCounts{Total: 2, Online: 1, Degraded: 1}, got.Hosts); diff != "" {
		t.Errorf("hosts (-want +got)\n%s", diff)
	}
}
