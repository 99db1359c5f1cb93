package fleet

import "time"

// InstanceState is what an Ollama instance is able to do.
type InstanceState string

// The states of an instance.
const (
	InstanceUnknown  InstanceState = "unknown"
	InstanceStarting InstanceState = "starting"
	InstanceReady    InstanceState = "ready"
	InstanceDegraded InstanceState = "degraded"
	InstanceStopped  InstanceState = "stopped"
	InstanceFailed   InstanceState = "failed"
)

// Instance is one Ollama on a host, as its agent last told.
type Instance struct {
	Name         string        `json:"name"`
	Mode         string        `json:"mode"`
	State        InstanceState `json:"state"`
	Reason       string        `json:"reason,omitempty"`
	Message      string        `json:"message,omitempty"`
	Version      string        `json:"version,omitempty"`
	PID          int           `json:"pid,omitempty"`
	StartedAt    time.Time     `json:"started_at,omitzero"`
	InFlight     int           `json:"in_flight"`
	Parallel     int           `json:"parallel,omitempty"` // requests that one model serves at a time; 0 is unknown
	RestartCount int           `json:"restart_count"`
	Restarts     []Restart     `json:"restarts,omitempty"`
	ModelsKnown  bool          `json:"models_known"` // false until this Ollama was asked for the first time
	Models       []HostModel   `json:"models"`
	Loaded       []LoadedModel `json:"loaded"`
	Unit         *Unit         `json:"unit,omitempty"` // where it is a unit of systemd
	// Settings are what it was started with; nil where nothing of that is known, or was set.
	Settings *OllamaSettings `json:"settings,omitempty"`
}

// OllamaSettings are what an Ollama was started with. What nobody set, or nobody may read,
// is empty.
type OllamaSettings struct {
	ContextTokens  int    `json:"context_length,omitempty"`  // 0 is what Ollama takes by itself
	CacheType      string `json:"cache_type,omitempty"`      // of keys and values: f16, q8_0 or q4_0
	FlashAttention string `json:"flash_attention,omitempty"` // on or off
	ModelsDir      string `json:"models_dir,omitempty"`      // the folder of its models, absolute
}

// Serves reports whether requests may be sent to the instance.
func (i *Instance) Serves() bool { return i.State == InstanceReady }

// loaded returns how the instance has a model in memory, by its canonical name
// and its digest.
func (i *Instance) loaded(name, digest string) (LoadedModel, bool) {
	for _, l := range i.Loaded {
		if l.Digest == digest && CanonicalModel(l.Name) == name {
			return l, true
		}
	}
	return LoadedModel{}, false
}

// Resident returns how the instance has a model in memory, of whatever digest.
func (i *Instance) Resident(name string) (LoadedModel, bool) {
	for _, l := range i.Loaded {
		if SameModel(l.Name, name) {
			return l, true
		}
	}
	return LoadedModel{}, false
}

// Unit is how systemd has an instance, in systemd's words.
type Unit struct {
	Name         string `json:"name"`
	ActiveState  string `json:"active_state"`
	SubState     string `json:"sub_state"`
	Result       string `json:"result,omitempty"` // "success", or why it ended
	RestartCount int    `json:"restart_count"`    // by systemd itself
	MemoryBytes  int64  `json:"memory,omitempty"` // in use by all its processes; 0 where it is not counted
}

// Restart is one restart of an instance.
type Restart struct {
	At      time.Time `json:"at"`
	Cause   string    `json:"cause"`
	Message string    `json:"message,omitempty"`
}

// HostModel is a model in an instance's store.
type HostModel struct {
	Name          string    `json:"name"`
	Digest        string    `json:"digest"`
	SizeBytes     int64     `json:"size"`
	Format        string    `json:"format,omitempty"`
	Family        string    `json:"family,omitempty"`
	ParameterSize string    `json:"parameter_size,omitempty"`
	Quantization  string    `json:"quantization,omitempty"`
	ModifiedAt    time.Time `json:"modified_at,omitzero"`
}

// LoadedModel is a model in an instance's memory.
type LoadedModel struct {
	Name          string    `json:"name"`
	Digest        string    `json:"digest"`
	SizeBytes     int64     `json:"size"`
	SizeVRAMBytes int64     `json:"size_vram"`
	ContextLength int       `json:"context_length,omitempty"`
	ExpiresAt     time.Time `json:"expires_at,omitzero"`
	// GPUs are those that it is on; nil where that isn't known.
	GPUs []GPUShare `json:"gpus,omitzero"`
}
