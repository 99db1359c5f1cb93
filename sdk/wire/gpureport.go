package wire

// GPUReport is how the host's GPUs are read, and of each what seldom changes. It
// is told when it changes, and every ten seconds. What changes every second is in
// samples.
type GPUReport struct {
	State               string // one of the states below
	Message             string // a sentence for the state; may be empty
	Source              string // nvml, none, demo or recorded:NAME; the latter two are not real
	DriverVersion       string
	KernelModuleVersion string // of the driver in the kernel, which may be another one
	NVMLVersion         string
	CUDAVersion         string
	UntilUnixMillis     int64 // of GPUsReleased: when they are read again
	Cards               []GPUCard
	Events              []GPUEvent // the latest, newest last
	Conditions          []GPUCondition
}

func (*GPUReport) number() fieldNumber { return numGPUReport }
func (r *GPUReport) fields(c *codec) {
	c.string(1, &r.State)
	c.string(2, &r.Message)
	c.string(3, &r.Source)
	c.string(4, &r.DriverVersion)
	c.string(5, &r.KernelModuleVersion)
	c.string(6, &r.NVMLVersion)
	c.string(7, &r.CUDAVersion)
	c.int64(8, &r.UntilUnixMillis)
	list(c, 9, &r.Cards)
	list(c, 10, &r.Events)
	list(c, 11, &r.Conditions)
}

// The states of reading GPUs. The empty string is unknown.
const (
	GPUsUnknown         = ""
	GPUsOK              = "ok"
	GPUsNone            = "none"                // the host has none
	GPUsOff             = "off"                 // the agent was told not to look for any
	GPUsStarting        = "starting"            // the first reading is to come
	GPUsReleased        = "released"            // let go of for a while, as an operator asked for it
	GPUsNoDriver        = "no_driver"           // there are some, and no driver is loaded
	GPUsNoLibrary       = "no_library"          // the driver's library can't be found
	GPUsVersionMismatch = "version_mismatch"    // driver and library are of different versions
	GPUsFailed          = "failed"              // the driver answers with an error
	GPUsProbeMissing    = "probe_missing"       // the program that reads them can't be started
	GPUsProbeCrashed    = "probe_crashed"       // it ended
	GPUsProbeSilent     = "probe_silent"        // it gave no reading in time and was killed
	GPUsProbeGarbled    = "probe_garbled"       // it said what can't be understood and was killed
	GPUsUnresponsive    = "driver_unresponsive" // it can't even be killed: the driver doesn't return
)

// GPUCard is one graphics processor: what it is, and what is seldom of interest.
type GPUCard struct {
	UUID              string // as in samples
	Address           string // on the PCI bus, such as 0000:01:00.0
	Serial            string
	VBIOS             string
	Architecture      string
	ComputeCapability string
	Figures           []GPUFigure // what else it tells; what it doesn't is missing
	Processes         []GPUProcess
	Parts             []GPUPart
	// UnaccountedBytes is the memory in use that no process accounts for. It is
	// not known where the driver doesn't tell how much each process has.
	UnaccountedKnown bool
	UnaccountedBytes uint64
}

func (g *GPUCard) fields(c *codec) {
	c.string(1, &g.UUID)
	c.string(2, &g.Address)
	c.string(3, &g.Serial)
	c.string(4, &g.VBIOS)
	c.string(5, &g.Architecture)
	c.string(6, &g.ComputeCapability)
	list(c, 7, &g.Figures)
	list(c, 8, &g.Processes)
	list(c, 9, &g.Parts)
	c.bool(10, &g.UnaccountedKnown)
	c.uint64(11, &g.UnaccountedBytes)
}

// GPUFigure is a number with its name, which carries the unit, such as
// "memory_temperature_celsius".
type GPUFigure struct {
	Name  string
	Value int64
}

func (f *GPUFigure) fields(c *codec) {
	c.string(1, &f.Name)
	c.int64(2, &f.Value)
}

// GPUProcess is a process of the host that uses a GPU. Its command line is not
// told: it may hold secrets.
type GPUProcess struct {
	PID         uint32
	User        string // empty where it isn't known
	Name        string // of its program; empty where it isn't known
	Kind        string // "compute" or "graphics"
	MemoryKnown bool
	MemoryBytes uint64
	Instance    string // the Ollama instance that it runs a model for; empty for others' processes
}

func (p *GPUProcess) fields(c *codec) {
	c.uint32(1, &p.PID)
	c.string(2, &p.User)
	c.string(3, &p.Name)
	c.string(4, &p.Kind)
	c.bool(5, &p.MemoryKnown)
	c.uint64(6, &p.MemoryBytes)
	c.string(7, &p.Instance)
}

// GPUPart is one MIG device of a GPU. The parts of one GPU instance share its
// memory, and each shows all of it.
type GPUPart struct {
	UUID        string
	Name        string // such as "1g.10gb"
	MemoryKnown bool
	TotalBytes  uint64
	UsedBytes   uint64
}

func (p *GPUPart) fields(c *codec) {
	c.string(1, &p.UUID)
	c.string(2, &p.Name)
	c.bool(3, &p.MemoryKnown)
	c.uint64(4, &p.TotalBytes)
	c.uint64(5, &p.UsedBytes)
}

// GPUEvent is a fault that the driver reported.
type GPUEvent struct {
	UnixMillis int64
	UUID       string // of the GPU; empty where it isn't known
	Address    string // on the PCI bus
	XidKnown   bool
	Xid        uint32
	Name       string // NVIDIA's short one
	Message    string // a sentence: what happened
	Action     string // NVIDIA's word for what is to be done
	Advice     string // a sentence for that
	PID        uint32 // of the process that it hit; 0 where it isn't known
	Process    string
}

func (e *GPUEvent) fields(c *codec) {
	c.int64(1, &e.UnixMillis)
	c.string(2, &e.UUID)
	c.string(3, &e.Address)
	c.bool(4, &e.XidKnown)
	c.uint32(5, &e.Xid)
	c.string(6, &e.Name)
	c.string(7, &e.Message)
	c.string(8, &e.Action)
	c.string(9, &e.Advice)
	c.uint32(10, &e.PID)
	c.string(11, &e.Process)
}

// GPUCondition is something about the GPUs that an operator should know and that
// doesn't keep them from being read.
type GPUCondition struct {
	Code    string // a stable word
	Message string // a sentence
}

func (d *GPUCondition) fields(c *codec) {
	c.string(1, &d.Code)
	c.string(2, &d.Message)
}
