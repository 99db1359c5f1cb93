package client

import (
	"context"
	"net/http"
	"time"
)

// HostState is whether a host can be used now.
type HostState string

// The states of a host.
const (
	HostOnline       HostState = "online"       // its agent is connected and nothing is wrong
	HostDegraded     HostState = "degraded"     // its agent is connected; Problems say what is wrong
	HostDisconnected HostState = "disconnected" // its agent's connection broke a moment ago
	HostAway         HostState = "away"         // nothing was heard of its agent for a while
	HostDead         HostState = "dead"         // it is away for so long that somebody should look
	HostAsleep       HostState = "asleep"       // its agent said that the host goes to sleep
	HostStopped      HostState = "stopped"      // its agent said goodbye
	HostPending      HostState = "pending"      // it joined, and waits for an operator's approval
)

// Host is a machine that joined, with what is known of it now.
type Host struct {
	ID            string            `json:"id"`
	Name          string            `json:"name"`
	Labels        map[string]string `json:"labels,omitempty"`
	JoinedAt      time.Time         `json:"joined_at"`
	SeenAt        time.Time         `json:"seen_at,omitzero"` // when its last session began or ended
	Draining      bool              `json:"draining"`         // it gets no new requests
	Pending       bool              `json:"pending"`          // it waits for an operator's approval
	Facts         Facts             `json:"facts"`
	State         HostState         `json:"state"`
	Problems      []Problem         `json:"problems"`
	ConnectedAt   time.Time         `json:"connected_at,omitzero"`
	LastFrameAt   time.Time         `json:"last_frame_at,omitzero"`
	ClockOffsetMS int64             `json:"clock_offset_ms"`      // the host's clock less the control plane's
	Sample        *Sample           `json:"sample"`               // nil unless it reports
	GPUReport     *GPUReport        `json:"gpu_report,omitempty"` // nil where its agent told of none
	Instances     []Instance        `json:"instances"`
}

// Facts are what rarely changes on a host.
type Facts struct {
	Hostname     string `json:"hostname"`
	OS           string `json:"os"`
	Platform     string `json:"platform"`
	Arch         string `json:"arch"`
	Kernel       string `json:"kernel"`
	BootID       string `json:"boot_id"`
	MachineID    string `json:"machine_id"` // a hash of it
	AgentVersion string `json:"agent_version"`
	CPUModel     string `json:"cpu_model"`
	CPUCores     int    `json:"cpu_cores"` // logical
	MemoryBytes  int64  `json:"memory_bytes"`
	// PeerAddress is host:port by which other hosts get models from this one; "" where they
	// don't.
	PeerAddress string `json:"peer_address,omitempty"`
}

// Problem is something that is wrong, with a stable code and a sentence.
type Problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Hosts returns every host, by name. It needs the role viewer.
func (c *Client) Hosts(ctx context.Context) ([]Host, error) {
	var hosts []Host
	if err := c.ask(ctx, get("api", "hosts"), &hosts); err != nil {
		return nil, err
	}
	return hosts, nil
}

// Host returns the host with this id or name. There is none is fault.NotFound.
// It needs the role viewer.
func (c *Client) Host(ctx context.Context, host string) (*Host, error) {
	var h Host
	if err := c.ask(ctx, get("api", "hosts", host), &h); err != nil {
		return nil, err
	}
	return &h, nil
}

// Drain keeps new requests away from a host, and returns the host as it is
// then; those under way go on. Draining a host that is drained already is no
// error. It needs the role operator.
func (c *Client) Drain(ctx context.Context, host string) (*Host, error) {
	return c.change(ctx, host, "drain")
}

// Undrain lets a host have requests again, and returns the host as it is then.
// It needs the role operator.
func (c *Client) Undrain(ctx context.Context, host string) (*Host, error) {
	return c.change(ctx, host, "undrain")
}

// Approve lets a host in that joined with a token which wants that, and returns
// the host as it is then; its agent connects within seconds. Approving a host that
// is in already is no error. It needs the role operator.
func (c *Client) Approve(ctx context.Context, host string) (*Host, error) {
	return c.change(ctx, host, "approve")
}

// HostPatch is what may be changed of a host. What is nil stays as it is.
type HostPatch struct {
	Name   *string           `json:"name,omitempty"`
	Labels map[string]string `json:"labels,omitzero"` // replace all that there were; empty takes all away
}

// ChangeHost renames or labels a host, and returns it as it is then. A name that
// another host bears is fault.Conflict. It needs the role operator.
func (c *Client) ChangeHost(ctx context.Context, host string, patch HostPatch) (*Host, error) {
	var h Host
	if err := c.ask(ctx, call{method: http.MethodPatch, path: []string{"api", "hosts", host}, body: patch}, &h); err != nil {
		return nil, err
	}
	return &h, nil
}

// RemoveHost forgets a host, and returns it as it was. What runs there goes on;
// its agent is refused until it joins anew. It needs the role operator.
func (c *Client) RemoveHost(ctx context.Context, host string) (*Host, error) {
	var h Host
	if err := c.ask(ctx, call{method: http.MethodDelete, path: []string{"api", "hosts", host}}, &h); err != nil {
		return nil, err
	}
	return &h, nil
}

// RestartInstance restarts one Ollama of a host, waits until the new one
// serves, and returns the host as it is then. An Ollama that somebody else runs
// is fault.Conflict. Requests under way there are lost. It needs the role
// operator.
func (c *Client) RestartInstance(ctx context.Context, host, instance string) (*Host, error) {
	return c.change(ctx, host, "ollama", instance, "restart")
}

// change asks for a change of a host, which is answered with the host.
func (c *Client) change(ctx context.Context, host string, what ...string) (*Host, error) {
	var h Host
	if err := c.ask(ctx, post(append([]string{"api", "hosts", host}, what...)...), &h); err != nil {
		return nil, err
	}
	return &h, nil
}
