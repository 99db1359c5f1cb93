package summary

import (
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// HostMetrics are the numbers of every host that reports, at one moment.
type HostMetrics struct {
	At       time.Time   `json:"at"`
	Sequence uint64      `json:"sequence"` // counts the moments
	Hosts    []HostUsage `json:"hosts"`    // by name
}

// HostUsage is what one host is doing, by its last sample. What is not known is
// nil.
type HostUsage struct {
	ID                     string      `json:"id"`
	TakenAt                time.Time   `json:"taken_at"`
	CPUPercent             *float64    `json:"cpu_percent,omitempty"`
	MemoryUsedBytes        *int64      `json:"memory_used_bytes,omitempty"`
	MemoryTotalBytes       *int64      `json:"memory_total_bytes,omitempty"`
	ReceivedBytesPerSecond *int64      `json:"received_bytes_per_second,omitempty"`
	SentBytesPerSecond     *int64      `json:"sent_bytes_per_second,omitempty"`
	ReadBytesPerSecond     *int64      `json:"read_bytes_per_second,omitempty"`
	WrittenBytesPerSecond  *int64      `json:"written_bytes_per_second,omitempty"`
	InFlight               int         `json:"in_flight"` // requests that its agent is relaying
	GPUs                   []fleet.GPU `json:"gpus"`
}

// HostMetrics returns the numbers of every host now. A host whose agent is not
// connected, or has not sent a sample yet, is not among them. What it returns
// shares memory with the samples and must not be changed.
func (s *Summary) HostMetrics(sequence uint64) HostMetrics {
	hosts := s.view.Hosts()
	m := HostMetrics{At: s.now().UTC(), Sequence: sequence, Hosts: make([]HostUsage, 0, len(hosts))}
	for i := range hosts {
		if hosts[i].Sample != nil {
			m.Hosts = append(m.Hosts, usageOf(&hosts[i]))
		}
	}
	return m
}

func usageOf(h *fleet.HostView) HostUsage {
	u := HostUsage{
		ID: h.ID, TakenAt: h.Sample.TakenAt, CPUPercent: h.Sample.CPUPercent,
		ReceivedBytesPerSecond: h.Rates.ReceivedBytesPerSecond, SentBytesPerSecond: h.Rates.SentBytesPerSecond,
		ReadBytesPerSecond: h.Rates.ReadBytesPerSecond, WrittenBytesPerSecond: h.Rates.WrittenBytesPerSecond,
		InFlight: h.Sample.InFlight, GPUs: h.Sample.GPUs,
	}
	if m := h.Sample.Memory; m != nil {
		u.MemoryUsedBytes, u.MemoryTotalBytes = &m.UsedBytes, &m.TotalBytes
	}
	if u.GPUs == nil {
		u.GPUs = []fleet.GPU{} // none are a list as well
	}
	return u
}
