package relaytest

import (
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// Hosts is what is known of the hosts, as a list that never changes.
type Hosts []fleet.HostView

// Hosts returns the list.
func (h Hosts) Hosts() []fleet.HostView { return h }

// Aliases returns no other names.
func (h Hosts) Aliases() fleet.Aliases { return nil }

// Find returns the host with this id or name.
func (h Hosts) Find(idOrName string) (fleet.HostView, error) {
	for _, v := range h {
		if v.ID == idOrName || v.Name == idOrName {
			return v, nil
		}
	}
	return fleet.HostView{}, fault.New(fault.NotFound, "there is no host %q", idOrName)
}

// Changed returns a channel that is never closed.
func (h Hosts) Changed() <-chan struct{} { return nil }

// Modified is when the models of [Fleet] were last changed.
func Modified() time.Time { return time.Date(2026, 11, 23, 15, 15, 45, 946334704, time.UTC) }

// Fleet returns two hosts: alpha, which has tiny and hf.co/acme/loop and has
// tiny in memory, and beta, which is away.
func Fleet() Hosts {
	tiny := fleet.HostModel{
		Name: "tiny:latest", Digest: "118367098b99", SizeBytes: 2717611, Format: "gguf", Family: "llama",
		ParameterSize: "1.35M", Quantization: "F16", ModifiedAt: Modified(),
	}
	loop := fleet.HostModel{Name: "hf.co/acme/loop:q4", Digest: "ec7cb1860893", SizeBytes: 2663755, ModifiedAt: Modified().Add(time.Second)}
	loaded := fleet.LoadedModel{
		Name: "tiny:latest", Digest: tiny.Digest, SizeBytes: 6730752, ContextLength: 4096,
		ExpiresAt: Modified().Add(5 * time.Minute),
	}
	return Hosts{
		{
			Host:  fleet.Host{ID: "h1", Name: "alpha", JoinedAt: Modified()},
			State: fleet.HostOnline,
			Instances: []fleet.Instance{{
				Name: "default", Mode: "managed", State: fleet.InstanceReady, Version: "0.17.4", ModelsKnown: true,
				Models: []fleet.HostModel{tiny, loop}, Loaded: []fleet.LoadedModel{loaded},
			}},
		},
		{Host: fleet.Host{ID: "h2", Name: "beta", JoinedAt: Modified()}, State: fleet.HostAway},
	}
}
