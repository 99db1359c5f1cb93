package wire

// Sample is one reading of a host. A value that could not be read is absent:
// NaN for a float, a group that is not Known, a list without the row.
type Sample struct {
	Seq        uint64 // counts up by one within a run, from 1
	UnixMillis int64  // the agent's clock
	CPU        CPU
	Load       Load
	Memory     Memory
	UptimeSec  uint64
	Disks      []Disk
	DiskIO     []DiskIO
	Networks   []Network
	Sensors    []Sensor
	InFlight   uint32 // requests that the agent is relaying to its instances
	GPUs       []GPU  // empty where there are none, and where none was looked for
}

func (*Sample) number() fieldNumber { return numSample }
func (s *Sample) fields(c *codec) {
	c.uint64(1, &s.Seq)
	c.int64(2, &s.UnixMillis)
	c.message(3, &s.CPU)
	c.message(4, &s.Load)
	c.message(5, &s.Memory)
	c.uint64(6, &s.UptimeSec)
	list(c, 7, &s.Disks)
	list(c, 8, &s.DiskIO)
	list(c, 9, &s.Networks)
	list(c, 10, &s.Sensors)
	c.uint32(11, &s.InFlight)
	list(c, 12, &s.GPUs)
}

// Reset empties the sample and keeps its memory.
func (s *Sample) Reset() {
	*s = Sample{
		CPU:      CPU{PerCorePercent: s.CPU.PerCorePercent[:0]},
		Disks:    s.Disks[:0],
		DiskIO:   s.DiskIO[:0],
		Networks: s.Networks[:0],
		Sensors:  s.Sensors[:0],
		GPUs:     s.GPUs[:0],
	}
}

// CPU is how busy the processors were since the sample before.
type CPU struct {
	Known          bool
	TotalPercent   float32   // of all cores together, 0 to 100
	PerCorePercent []float32 // by logical core
}

func (u *CPU) fields(c *codec) {
	c.bool(1, &u.Known)
	c.float32(2, &u.TotalPercent)
	c.float32s(3, &u.PerCorePercent)
}

// Load is the kernel's load average over 1, 5 and 15 minutes.
type Load struct {
	Known                bool
	Load1, Load5, Load15 float32
}

func (l *Load) fields(c *codec) {
	c.bool(1, &l.Known)
	c.float32(2, &l.Load1)
	c.float32(3, &l.Load5)
	c.float32(4, &l.Load15)
}

// Memory is the host's memory and swap in bytes. Used is what is not available
// to a new program: total less available.
type Memory struct {
	Known          bool
	TotalBytes     uint64
	AvailableBytes uint64
	UsedBytes      uint64
	SwapTotalBytes uint64
	SwapUsedBytes  uint64
}

func (m *Memory) fields(c *codec) {
	c.bool(1, &m.Known)
	c.uint64(2, &m.TotalBytes)
	c.uint64(3, &m.AvailableBytes)
	c.uint64(4, &m.UsedBytes)
	c.uint64(5, &m.SwapTotalBytes)
	c.uint64(6, &m.SwapUsedBytes)
}

// Disk is one mounted file system.
type Disk struct {
	Mount      string
	Device     string
	FileSystem string
	TotalBytes uint64
	UsedBytes  uint64
	FreeBytes  uint64 // to a program that is not root
}

func (d *Disk) fields(c *codec) {
	c.string(1, &d.Mount)
	c.string(2, &d.Device)
	c.string(3, &d.FileSystem)
	c.uint64(4, &d.TotalBytes)
	c.uint64(5, &d.UsedBytes)
	c.uint64(6, &d.FreeBytes)
}

// DiskIO is what one block device did since boot.
type DiskIO struct {
	Device       string
	ReadBytes    uint64
	WrittenBytes uint64
	BusyMillis   uint64
}

func (d *DiskIO) fields(c *codec) {
	c.string(1, &d.Device)
	c.uint64(2, &d.ReadBytes)
	c.uint64(3, &d.WrittenBytes)
	c.uint64(4, &d.BusyMillis)
}

// Network is what one interface carried since boot.
type Network struct {
	Interface     string
	ReceivedBytes uint64
	SentBytes     uint64
	Errors        uint64
	Dropped       uint64
}

func (n *Network) fields(c *codec) {
	c.string(1, &n.Interface)
	c.uint64(2, &n.ReceivedBytes)
	c.uint64(3, &n.SentBytes)
	c.uint64(4, &n.Errors)
	c.uint64(5, &n.Dropped)
}

// Sensor is one temperature.
type Sensor struct {
	Name    string
	Celsius float32
}

func (s *Sensor) fields(c *codec) {
	c.string(1, &s.Name)
	c.float32(2, &s.Celsius)
}
