package summary

import (
	"fmt"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// SystemStatus says whether the whole is well, and if not, why.
type SystemStatus struct {
	Status        string          `json:"status"` // "ok", "degraded" or "starting"
	Version       string          `json:"version"`
	UptimeSeconds int64           `json:"uptime_seconds"`
	Hosts         HostCounts      `json:"hosts"`
	Models        ModelCounts     `json:"models"`
	GPUs          GPUCounts       `json:"gpus"`
	Storage       []StorageStatus `json:"storage"`
	Problems      []string        `json:"problems"`
}

// HostCounts counts hosts. Degraded ones are online too.
type HostCounts struct {
	Total    int `json:"total"`
	Online   int `json:"online"`
	Degraded int `json:"degraded"`
}

// ModelCounts counts models.
type ModelCounts struct {
	Total  int `json:"total"`
	Loaded int `json:"loaded"`
}

// GPUCounts counts the GPUs of the hosts that report. Unhealthy ones are those
// of which it is known: degraded and lost.
type GPUCounts struct {
	Total     int `json:"total"`
	Unhealthy int `json:"unhealthy"`
	NotReal   int `json:"not_real,omitempty"` // made up, for trying things out
}

func (c *GPUCounts) add(s *fleet.Sample) {
	if s == nil {
		return
	}
	c.Total += len(s.GPUs)
	for i := range s.GPUs {
		if s.GPUs[i].State.Unhealthy() {
			c.Unhealthy++
		}
		if s.GPUs[i].Source != "" {
			c.NotReal++
		}
	}
}

// StorageStatus is how a configured storage is.
type StorageStatus struct {
	Name   string `json:"name"`
	Status string `json:"status"` // "ready", or why it isn't

	Problem string `json:"-"` // a sentence, where there is one
}

// Status returns how the whole is now.
func (s *Summary) Status() SystemStatus {
	hosts := s.view.Hosts()
	up := s.now().Sub(s.started)
	status := SystemStatus{
		Status: "ok", Version: s.version, UptimeSeconds: int64(up.Seconds()),
		Hosts: HostCounts{Total: len(hosts)}, Storage: s.storages(), Problems: []string{},
	}
	if d := s.view.Doubt(); d.Missing > 0 && up >= settling {
		status.Problems = append(status.Problems, fmt.Sprintf(
			"%d of %d hosts were lost at once: the cause is rather this control plane or its network than each of them, so none of them counts as dead yet", d.Missing, d.Of))
	}
	missing := false
	for i := range hosts {
		h := &hosts[i]
		switch h.State {
		case fleet.HostDegraded:
			status.Hosts.Degraded++
			status.Hosts.Online++
		case fleet.HostOnline:
			status.Hosts.Online++
		case fleet.HostDisconnected:
			missing = true
			status.Problems = append(status.Problems, fmt.Sprintf("host %q is disconnected: its agent's connection broke a moment ago", h.Name))
		case fleet.HostAway:
			missing = true
			status.Problems = append(status.Problems, fmt.Sprintf("host %q is away: its agent is not connected", h.Name))
		case fleet.HostDead:
			status.Problems = append(status.Problems, fmt.Sprintf("host %q is dead: nothing was heard of its agent since %s", h.Name, h.SeenAt.UTC().Format(time.RFC3339)))
		case fleet.HostStopped:
			status.Problems = append(status.Problems, fmt.Sprintf("host %q is stopped: its agent was shut down", h.Name))
		}
		status.GPUs.add(h.Sample)
		for _, p := range h.Problems {
			status.Problems = append(status.Problems, fmt.Sprintf("host %q: %s", h.Name, p.Message))
		}
	}
	for _, one := range status.Storage {
		if one.Problem != "" {
			status.Problems = append(status.Problems, one.Problem)
		}
	}
	for _, m := range s.models() {
		status.Models.Total++
		if m.Status == fleet.ModelLoaded {
			status.Models.Loaded++
		}
	}
	switch {
	case missing && up < settling:
		status.Status = "starting"
	case len(status.Problems) > 0:
		status.Status = "degraded"
	}
	return status
}
