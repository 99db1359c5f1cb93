// Package summary says in a few numbers how the fleet is: the objects that
// dashboards ask for over HTTP and get pushed over WebSockets.
package summary

import (
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// settling is how long after a start hosts that are known may take to come back
// before their absence is a problem.
const settling = 15 * time.Second

// View is what is known of the hosts.
type View interface {
	Hosts() []fleet.HostView
	Doubt() fleet.Doubt
}

// Requests are the counts of requests to models.
type Requests interface {
	Requests() int64
	MeanResponse() time.Duration
}

// Summary sums the fleet up. Its methods may be called concurrently.
type Summary struct {
	view        View
	requests    Requests
	connections func() int // open WebSockets of dashboards
	storages    func() []StorageStatus
	models      func() []fleet.Model
	version     string
	started     time.Time
	now         func() time.Time
}

// New returns a summary of the hosts in view, of the storages, of which storages returns
// a list that is never nil, and of the models, each of which models returns once.
func New(
	view View, requests Requests, connections func() int, storages func() []StorageStatus, models func() []fleet.Model, version string, now func() time.Time,
) *Summary {
	return &Summary{view: view, requests: requests, connections: connections, storages: storages, models: models, version: version, started: now(), now: now}
}

// Models returns every model of the fleet and of the catalogue once, by name.
func (s *Summary) Models() []fleet.Model { return s.models() }

// MetricsUpdate is the guide's six numbers, which are always there, and how many
// hosts they come from.
type MetricsUpdate struct {
	ActiveModels      int     `json:"active_models"` // in memory on any host
	TotalRequests     int64   `json:"total_requests"`
	AvgResponseTime   float64 `json:"avg_response_time"` // milliseconds, over the last five minutes
	CPUUsage          float64 `json:"cpu_usage"`         // percent, weighted by cores
	MemoryUsage       float64 `json:"memory_usage"`      // percent, weighted by memory
	ActiveConnections int     `json:"active_connections"`
	HostsReporting    int     `json:"hosts_reporting"`
}

// Metrics are the numbers with the hosts behind them.
type Metrics struct {
	MetricsUpdate
	Hosts []HostReading `json:"hosts"`
	GPUs  []HostGPU     `json:"gpus"` // of the hosts that report, by host and in their order
}

// HostReading is one host's last sample.
type HostReading struct {
	ID     string          `json:"id"`
	Name   string          `json:"name"`
	State  fleet.HostState `json:"state"`
	Sample *fleet.Sample   `json:"sample"`
}

// HostGPU is a GPU with the host that it is in.
type HostGPU struct {
	HostID string `json:"host_id"`
	Host   string `json:"host"` // its name
	fleet.GPU
}

// Update returns the numbers now.
func (s *Summary) Update() MetricsUpdate { return s.update(s.view.Hosts()) }

// Metrics returns the numbers now, with those of each host.
func (s *Summary) Metrics() Metrics {
	hosts := s.view.Hosts()
	m := Metrics{MetricsUpdate: s.update(hosts), Hosts: make([]HostReading, 0, len(hosts)), GPUs: []HostGPU{}}
	for i := range hosts {
		h := &hosts[i]
		m.Hosts = append(m.Hosts, HostReading{ID: h.ID, Name: h.Name, State: h.State, Sample: h.Sample})
		if h.Sample == nil {
			continue
		}
		for _, gpu := range h.Sample.GPUs {
			m.GPUs = append(m.GPUs, HostGPU{HostID: h.ID, Host: h.Name, GPU: gpu})
		}
	}
	return m
}

func (s *Summary) update(hosts []fleet.HostView) MetricsUpdate {
	u := MetricsUpdate{
		TotalRequests:     s.requests.Requests(),
		AvgResponseTime:   float64(s.requests.MeanResponse().Microseconds()) / 1000,
		ActiveConnections: s.connections(),
	}
	var cpu, memory weighted
	loaded := map[string]bool{}
	for i := range hosts {
		h := &hosts[i]
		for j := range h.Instances {
			for _, l := range h.Instances[j].Loaded {
				loaded[fleet.CanonicalModel(l.Name)] = true
			}
		}
		if h.Sample == nil {
			continue
		}
		u.HostsReporting++
		if h.Sample.CPUPercent != nil {
			cpu.add(*h.Sample.CPUPercent, float64(max(1, h.Facts.CPUCores)))
		}
		if p, ok := h.Sample.Memory.UsedPercent(); ok {
			memory.add(p, float64(h.Sample.Memory.TotalBytes))
		}
	}
	u.ActiveModels, u.CPUUsage, u.MemoryUsage = len(loaded), cpu.mean(), memory.mean()
	return u
}

// weighted is a mean in the making.
type weighted struct {
	sum, weight float64
}

func (w *weighted) add(value, weight float64) {
	w.sum += value * weight
	w.weight += weight
}

func (w *weighted) mean() float64 {
	if w.weight == 0 {
		return 0
	}
	return w.sum / w.weight
}
