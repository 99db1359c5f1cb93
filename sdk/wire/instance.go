package wire

// Instances is the state of every Ollama instance of the host. It is told when
// it changes, and every ten seconds.
type Instances struct {
	List []Instance
}

func (*Instances) number() fieldNumber { return numInstances }
func (i *Instances) fields(c *codec)   { list(c, 1, &i.List) }

// Instance is one Ollama.
type Instance struct {
	Name              string // such as "default"
	Mode              string // "managed", "attached" or "systemd"
	State             string // one of the states below
	Reason            string // a stable word for the state, such as "crash_loop"; may be empty
	Message           string // a sentence for the state; may be empty
	Version           string // Ollama's own; empty while unknown
	PID               uint32 // of `ollama serve` where it is ours
	StartedUnixMillis int64
	InFlight          uint32
	RestartCount      uint32
	Restarts          []Restart // the latest, newest last
	ModelsKnown       bool      // false until the first answer of this Ollama
	Models            []Model
	Loaded            []LoadedModel
	Parallel          uint32 // requests that one model serves at a time; 0 is unknown
	Unit              Unit   // where it is a unit of systemd
	Settings          OllamaSettings
}

func (i *Instance) fields(c *codec) {
	c.string(1, &i.Name)
	c.string(2, &i.Mode)
	c.string(3, &i.State)
	c.string(4, &i.Reason)
	c.string(5, &i.Message)
	c.string(6, &i.Version)
	c.uint32(7, &i.PID)
	c.int64(8, &i.StartedUnixMillis)
	c.uint32(9, &i.InFlight)
	c.uint32(10, &i.RestartCount)
	list(c, 11, &i.Restarts)
	c.bool(12, &i.ModelsKnown)
	list(c, 13, &i.Models)
	list(c, 14, &i.Loaded)
	c.uint32(15, &i.Parallel)
	c.message(16, &i.Unit)
	c.message(17, &i.Settings)
}

// OllamaSettings are what an Ollama was started with, as far as that is known. What nobody
// set, or nobody may read, is the zero value.
type OllamaSettings struct {
	ContextLength  uint32 // in tokens; 0 is what Ollama takes by itself
	CacheType      string // "f16", "q8_0" or "q4_0"
	FlashAttention string // "on" or "off"
	ModelsDir      string // the folder of its models, absolute
}

func (s *OllamaSettings) fields(c *codec) {
	c.uint32(1, &s.ContextLength)
	c.string(2, &s.CacheType)
	c.string(3, &s.FlashAttention)
	c.string(4, &s.ModelsDir)
}

// Unit is how systemd has an instance, in systemd's words.
type Unit struct {
	Name         string // such as "corral-ollama@default.service"; empty where there is none
	ActiveState  string // such as "active"
	SubState     string // such as "running"
	Result       string // "success", or why it ended, such as "exit-code"
	RestartCount uint32 // by systemd itself
	MemoryBytes  uint64 // in use by all its processes; 0 where it is not counted
}

func (u *Unit) fields(c *codec) {
	c.string(1, &u.Name)
	c.string(2, &u.ActiveState)
	c.string(3, &u.SubState)
	c.string(4, &u.Result)
	c.uint32(5, &u.RestartCount)
	c.uint64(6, &u.MemoryBytes)
}

// The states of an instance. The empty string is unknown.
const (
	InstanceUnknown  = ""
	InstanceStarting = "starting" // not answering yet
	InstanceReady    = "ready"    // serves
	InstanceDegraded = "degraded" // answers, but something that it should do does not work
	InstanceStopped  = "stopped"  // not running, on purpose or between two starts
	InstanceFailed   = "failed"   // not running, and nothing will be tried until someone acts
)

// Restart is one restart of an instance.
type Restart struct {
	UnixMillis int64
	Cause      string // a stable word, such as "exited" or "generation_stalled"
	Message    string
}

func (r *Restart) fields(c *codec) {
	c.int64(1, &r.UnixMillis)
	c.string(2, &r.Cause)
	c.string(3, &r.Message)
}

// Model is a model in an instance's store.
type Model struct {
	Name               string // with its tag
	Digest             string // of its manifest, without "sha256:"
	SizeBytes          uint64
	Format             string // such as "gguf"
	Family             string
	ParameterSize      string // as Ollama says it, such as "8.0B"
	Quantization       string // as Ollama says it, such as "Q4_K_M"
	ModifiedUnixMillis int64
}

func (m *Model) fields(c *codec) {
	c.string(1, &m.Name)
	c.string(2, &m.Digest)
	c.uint64(3, &m.SizeBytes)
	c.string(4, &m.Format)
	c.string(5, &m.Family)
	c.string(6, &m.ParameterSize)
	c.string(7, &m.Quantization)
	c.int64(8, &m.ModifiedUnixMillis)
}

// LoadedModel is a model in an instance's memory.
type LoadedModel struct {
	Name              string
	Digest            string
	SizeBytes         uint64 // all of it
	SizeVRAMBytes     uint64 // the part in GPU memory
	ContextLength     uint32
	ExpiresUnixMillis int64 // when it is unloaded if nobody asks for it; 0 when unknown
	GPUsKnown         bool  // whether it is known on which GPUs it is
	GPUs              []GPUShare
}

func (m *LoadedModel) fields(c *codec) {
	c.string(1, &m.Name)
	c.string(2, &m.Digest)
	c.uint64(3, &m.SizeBytes)
	c.uint64(4, &m.SizeVRAMBytes)
	c.uint32(5, &m.ContextLength)
	c.int64(6, &m.ExpiresUnixMillis)
	c.bool(7, &m.GPUsKnown)
	list(c, 8, &m.GPUs)
}

// GPUShare is what a model has of one GPU.
type GPUShare struct {
	UUID        string
	MemoryBytes uint64 // 0 where the driver doesn't tell
}

func (g *GPUShare) fields(c *codec) {
	c.string(1, &g.UUID)
	c.uint64(2, &g.MemoryBytes)
}
