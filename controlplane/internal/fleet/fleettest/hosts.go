package fleettest

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// host returns a host with every field but Labels, Draining and SeenAt filled in.
func host(id, name string) fleet.Host {
	return fleet.Host{
		ID: id, Name: name, PublicKey: []byte("public key of " + id), JoinedAt: noon(),
		Facts: fleet.Facts{
			Hostname: "gpu-box", OS: "linux", Platform: "debian 12.5", Arch: "amd64", Kernel: "6.1", BootID: "boot",
			MachineID: "machine", AgentVersion: "1.2.3", CPUModel: "EPYC", CPUCores: 128, MemoryBytes: 1 << 40,
			PeerAddress: "10.0.0.7:11437",
		},
	}
}

// joined enrols hosts with a token of their own.
func joined(t *testing.T, s Stores, hosts ...fleet.Host) {
	t.Helper()
	for _, h := range hosts {
		one := token("joins "+h.ID, 1)
		must(t, s.Tokens.CreateToken(t.Context(), one))
		got(s.Hosts.Enrol(t.Context(), one.Hash, noon(), h))(t)
	}
}

func hostByID(t *testing.T, s Stores, id string) fleet.Host {
	t.Helper()
	for _, h := range got(s.Hosts.Hosts(t.Context()))(t) {
		if h.ID == id {
			return h
		}
	}
	t.Fatalf("no host %q is stored", id)
	return fleet.Host{}
}

func hostSentences() []sentence {
	return []sentence{
		{"None at first", func(t *testing.T, s Stores) {
			wantEqual(t, len(got(s.Hosts.Hosts(t.Context()))(t)), 0)
		}},
		{"Saving replaces every field but those of the host's sessions", func(t *testing.T, s Stores) {
			joined(t, s, host("h1", "one"))
			epoch := got(s.Hosts.BeginSession(t.Context(), "h1", noon()))(t)
			must(t, s.Hosts.EndSession(t.Context(), "h1", epoch, noon(), fleet.HostAsleep))
			h := host("h1", "renamed")
			h.PublicKey, h.Labels, h.Draining = []byte("new key"), map[string]string{"a": "b"}, true
			h.JoinedAt, h.SeenAt, h.Facts = noon().Add(time.Hour), noon().Add(2*time.Hour), fleet.Facts{Hostname: "other"}
			h.Parted = fleet.HostStopped
			must(t, s.Hosts.SaveHost(t.Context(), h))
			h.SeenAt, h.Parted = noon(), fleet.HostAsleep
			wantEqual(t, got(s.Hosts.Hosts(t.Context()))(t), []fleet.Host{h})
			must(t, s.Hosts.SaveHost(t.Context(), h))
		}},
		{"Saving an unknown id is not found", func(t *testing.T, s Stores) {
			wantKind(t, s.Hosts.SaveHost(t.Context(), host("h1", "one")), fault.NotFound)
			wantEqual(t, len(got(s.Hosts.Hosts(t.Context()))(t)), 0)
		}},
		{"Saving another host's name is a conflict", func(t *testing.T, s Stores) {
			joined(t, s, host("h1", "one"), host("h2", "two"))
			wantKind(t, s.Hosts.SaveHost(t.Context(), host("h2", "one")), fault.Conflict)
			wantEqual(t, hostByID(t, s, "h2").Name, "two")
		}},
		{"Removing forgets", func(t *testing.T, s Stores) {
			joined(t, s, host("h1", "one"), host("h2", "two"))
			must(t, s.Hosts.RemoveHost(t.Context(), "h1"))
			wantEqual(t, got(s.Hosts.Hosts(t.Context()))(t), []fleet.Host{host("h2", "two")})
		}},
		{"Removing an unknown id is not found", func(t *testing.T, s Stores) {
			wantKind(t, s.Hosts.RemoveHost(t.Context(), "h1"), fault.NotFound)
		}},
		{"Session epochs start at 1 and count for each host", func(t *testing.T, s Stores) {
			joined(t, s, host("h1", "one"), host("h2", "two"))
			for want := range uint64(3) {
				wantEqual(t, got(s.Hosts.BeginSession(t.Context(), "h1", noon()))(t), want+1)
			}
			wantEqual(t, got(s.Hosts.BeginSession(t.Context(), "h2", noon()))(t), uint64(1))
		}},
		{"Saving a host keeps its epoch", func(t *testing.T, s Stores) {
			joined(t, s, host("h1", "one"))
			got(s.Hosts.BeginSession(t.Context(), "h1", noon()))(t)
			must(t, s.Hosts.SaveHost(t.Context(), host("h1", "one")))
			wantEqual(t, got(s.Hosts.BeginSession(t.Context(), "h1", noon()))(t), uint64(2))
		}},
		{"No two sessions at once share an epoch", checkEpochRace},
		{"A session of an unknown host is not found", func(t *testing.T, s Stores) {
			_, err := s.Hosts.BeginSession(t.Context(), "h1", noon())
			wantKind(t, err, fault.NotFound)
			wantKind(t, s.Hosts.EndSession(t.Context(), "h1", 1, noon(), ""), fault.NotFound)
		}},
		{"A session's beginning and end are when a host was seen", func(t *testing.T, s Stores) {
			joined(t, s, host("h1", "one"), host("h2", "two"))
			began, ended := noon().Add(time.Hour), noon().Add(2*time.Hour)
			got(s.Hosts.BeginSession(t.Context(), "h1", began))(t)
			wantEqual(t, hostByID(t, s, "h1").SeenAt, began)
			must(t, s.Hosts.EndSession(t.Context(), "h1", 1, ended, ""))
			wantEqual(t, hostByID(t, s, "h1").SeenAt, ended)
			wantEqual(t, hostByID(t, s, "h2"), host("h2", "two"))
		}},
		{"What is said at a session's end is kept until the next one", func(t *testing.T, s Stores) {
			joined(t, s, host("h1", "one"), host("h2", "two"))
			for _, said := range []fleet.HostState{fleet.HostAsleep, fleet.HostStopped, ""} {
				epoch := got(s.Hosts.BeginSession(t.Context(), "h1", noon()))(t)
				wantEqual(t, hostByID(t, s, "h1").Parted, fleet.HostState(""))
				must(t, s.Hosts.EndSession(t.Context(), "h1", epoch, noon(), said))
				wantEqual(t, hostByID(t, s, "h1").Parted, said)
			}
			wantEqual(t, hostByID(t, s, "h2"), host("h2", "two"))
		}},
		{"What an older session says is not kept", func(t *testing.T, s Stores) {
			joined(t, s, host("h1", "one"))
			older := got(s.Hosts.BeginSession(t.Context(), "h1", noon()))(t)
			newer := got(s.Hosts.BeginSession(t.Context(), "h1", noon()))(t)
			must(t, s.Hosts.EndSession(t.Context(), "h1", older, noon().Add(time.Hour), fleet.HostStopped))
			wantEqual(t, hostByID(t, s, "h1").Parted, fleet.HostState(""))
			wantEqual(t, hostByID(t, s, "h1").SeenAt, noon().Add(time.Hour))
			must(t, s.Hosts.EndSession(t.Context(), "h1", newer, noon(), fleet.HostAsleep))
			must(t, s.Hosts.EndSession(t.Context(), "h1", older, noon(), ""))
			wantEqual(t, hostByID(t, s, "h1").Parted, fleet.HostAsleep)
		}},
	}
}

func checkEpochRace(t *testing.T, s Stores) {
	joined(t, s, host("h1", "one"))
	const sessions = 20
	var callers sync.WaitGroup
	epochs := make([]uint64, sessions)
	for i := range sessions {
		callers.Go(func() {
			epoch, err := s.Hosts.BeginSession(t.Context(), "h1", noon())
			if err != nil {
				t.Error(err)
			}
			epochs[i] = epoch
		})
	}
	callers.Wait()
	seen, want := map[uint64]bool{}, map[uint64]bool{}
	for i, epoch := range epochs {
		seen[epoch], want[uint64(i)+1] = true, true
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("epochs (-want +got)\n%s", diff)
	}
}
