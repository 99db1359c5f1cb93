package wire

// GPU is one graphics processor of the host. One that can't be read is a row
// too, with a state that says so and without the readings.
type GPU struct {
	UUID               string // the card's own; what it is known by, whatever its place
	Index              uint32 // its place as the driver counts; may change with a boot
	Name               string // such as "NVIDIA H200"
	State              string // one of the states below
	Message            string // a sentence for the state; may be empty
	UtilizationPercent float32
	Memory             GPUMemory
	TemperatureCelsius float32
	SlowdownCelsius    float32 // from here on the card slows itself down
	PowerWatts         float32
	PowerLimitWatts    float32
	Source             string // empty is the driver; else "demo" or "recorded:…", and nothing of the row is real
	Clocks             GPUClocks
}

func (g *GPU) fields(c *codec) {
	c.string(1, &g.UUID)
	c.uint32(2, &g.Index)
	c.string(3, &g.Name)
	c.string(4, &g.State)
	c.string(5, &g.Message)
	c.float32(6, &g.UtilizationPercent)
	c.message(7, &g.Memory)
	c.float32(8, &g.TemperatureCelsius)
	c.float32(9, &g.SlowdownCelsius)
	c.float32(10, &g.PowerWatts)
	c.float32(11, &g.PowerLimitWatts)
	c.string(12, &g.Source)
	c.message(13, &g.Clocks)
}

// The states of a GPU. The empty string is unknown.
const (
	GPUUnknown  = ""
	GPUOK       = "ok"       // can be used, and nothing is wrong
	GPUDegraded = "degraded" // can be used, but something is wrong
	GPULost     = "lost"     // was there and does not answer any more
)

// GPUMemory is a GPU's own memory in bytes.
type GPUMemory struct {
	Known      bool
	TotalBytes uint64
	UsedBytes  uint64
	// ReservedBytes are the driver's and the firmware's own. They are no part of
	// UsedBytes, and 0 where the driver can't tell them apart.
	ReservedBytes uint64
}

func (m *GPUMemory) fields(c *codec) {
	c.bool(1, &m.Known)
	c.uint64(2, &m.TotalBytes)
	c.uint64(3, &m.UsedBytes)
	c.uint64(4, &m.ReservedBytes)
}

// GPUClocks is how fast a GPU is, and why it isn't faster.
type GPUClocks struct {
	Known           bool
	SMMegahertz     float32
	MemoryMegahertz float32
	ThrottleKnown   bool
	ThrottleReasons uint64 // NVML's bits: why the clocks are lower than they could be
}

func (k *GPUClocks) fields(c *codec) {
	c.bool(1, &k.Known)
	c.float32(2, &k.SMMegahertz)
	c.float32(3, &k.MemoryMegahertz)
	c.bool(4, &k.ThrottleKnown)
	c.uint64(5, &k.ThrottleReasons)
}
