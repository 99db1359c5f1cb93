package fleet

import (
	"context"
	"time"
)

// Host is what is stored of a machine that joined.
type Host struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	PublicKey []byte            `json:"-"` // Ed25519; the host's identity
	Labels    map[string]string `json:"labels,omitempty"`
	JoinedAt  time.Time         `json:"joined_at"`
	SeenAt    time.Time         `json:"seen_at,omitzero"` // of the last session's end or start
	Parted    HostState         `json:"-"`                // what its agent said at the last session's end becomes of it: asleep or stopped; "" is nothing
	Draining  bool              `json:"draining"`
	Pending   bool              `json:"pending"` // it joined, and an operator has yet to approve it
	Facts     Facts             `json:"facts"`
}

// Facts are what rarely changes on a host.
type Facts struct {
	Hostname     string `json:"hostname"`
	OS           string `json:"os"`
	Platform     string `json:"platform"`
	Arch         string `json:"arch"`
	Kernel       string `json:"kernel"`
	BootID       string `json:"boot_id"`
	MachineID    string `json:"machine_id"`
	AgentVersion string `json:"agent_version"`
	CPUModel     string `json:"cpu_model"`
	CPUCores     int    `json:"cpu_cores"`
	MemoryBytes  int64  `json:"memory_bytes"`
	// PeerAddress is host:port by which other hosts get models from this one; "" where they
	// don't. It is what the agent says.
	PeerAddress string `json:"peer_address,omitempty"`
}

// HostStore keeps hosts. Its methods may be called concurrently.
type HostStore interface {
	Hosts(ctx context.Context) ([]Host, error)
	// Enrol spends one use of the token with this hash and stores the host, both
	// or neither. A token that is unknown, expired, revoked or used up is
	// fault.Unauthenticated with the reason; a host id that exists already
	// leaves the token alone and is not an error. A name that another host
	// bears gets a number appended; the stored host, with the labels of the
	// token under its own, is returned. It is pending where the token wants an
	// operator's approval.
	Enrol(ctx context.Context, tokenHash []byte, now time.Time, h Host) (Host, error)
	// SaveHost replaces a stored host, but for SeenAt and Parted, which its
	// sessions set.
	// An unknown id is fault.NotFound; a name that another host bears is
	// fault.Conflict.
	SaveHost(ctx context.Context, h Host) error
	// RemoveHost forgets a host. An unknown id is fault.NotFound.
	RemoveHost(ctx context.Context, id string) error
	// BeginSession returns the next session epoch of a host, starting at 1, and
	// stores when the host was seen, which has nothing said of it any more. An
	// unknown id is fault.NotFound.
	BeginSession(ctx context.Context, id string, at time.Time) (epoch uint64, err error)
	// EndSession stores when the host was seen last and, where this was its latest
	// session, what its agent said becomes of it. An unknown id is fault.NotFound.
	EndSession(ctx context.Context, id string, epoch uint64, at time.Time, parted HostState) error
}

// SettingsStore keeps what the API saved of the settings, as JSON.
type SettingsStore interface {
	// LoadSettings returns the saved settings, or nil when there are none.
	LoadSettings(ctx context.Context) ([]byte, error)
	SaveSettings(ctx context.Context, json []byte) error
}

// CounterStore keeps counts that survive a restart.
type CounterStore interface {
	// Counters returns every counter by its name.
	Counters(ctx context.Context) (map[string]int64, error)
	// AddToCounters adds to counters, all or none.
	AddToCounters(ctx context.Context, deltas map[string]int64) error
}

// SampleRow is one stored sample of a host.
type SampleRow struct {
	HostID     string
	RunID      string // the agent's run that counted Seq
	Seq        uint64
	TakenAt    time.Time // by the agent's clock, corrected by its measured offset
	ReceivedAt time.Time
	Payload    []byte // as wire.AppendSample encodes it
}

// SampleStore keeps the metrics history.
type SampleStore interface {
	// AppendSamples stores rows and returns when they survive a kill of the
	// process. A row that is there already (same host, run and seq) is skipped.
	AppendSamples(ctx context.Context, rows []SampleRow) error
	// LastSeq returns the highest sequence number stored of a host's run, 0 when there is none.
	LastSeq(ctx context.Context, hostID, runID string) (uint64, error)
	// Samples calls fn for each row of a host taken in [from, to), oldest
	// first. The row's payload is valid during the call alone. An error of fn ends it.
	Samples(ctx context.Context, hostID string, from, to time.Time, fn func(SampleRow) error) error
	// DeleteSamplesBefore forgets what was taken earlier.
	DeleteSamplesBefore(ctx context.Context, t time.Time) error
}
