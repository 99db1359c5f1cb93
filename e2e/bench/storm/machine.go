package storm

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/corral-fleet/corral/sdk/wire"
)

const (
	cores       = 64
	memoryBytes = 1 << 40
	upBefore    = 30 * 24 * time.Hour // how long a host has been up when its simulation begins

	// Of so many hosts, one has an Ollama that stalls, and which.
	stalledEvery, stalledHost = 20, 6
)

// machine is a simulated host. Its methods belong to the goroutine that reports,
// but for handle, which may be called concurrently.
type machine struct {
	number  int
	started time.Time
	random  *rand.Rand
	gpus    []*gpu
	held    []wire.Model
	loaded  []wire.LoadedModel

	load     wave // how busy it is, from 0 to 1
	inFlight atomic.Int32
	sample   wire.Sample // the last reading; its counters go on from one to the next
}

func newMachine(n int, o Options) *machine {
	m := &machine{number: n, started: time.Now(), random: rand.New(rand.NewPCG(1, uint64(n)))}
	if o.Models > 0 {
		m.held, m.loaded = modelsOf(n, o.Models, m.started)
	}
	m.load = newWave(m.random, 0.05, 0.15)
	if len(m.loaded) > 0 {
		m.load = newWave(m.random, 0.25, 0.95)
	}
	var perGPU uint64
	for _, l := range m.loaded {
		perGPU += l.SizeVRAMBytes / uint64(max(1, o.GPUsPerHost))
	}
	for i := range o.GPUsPerHost {
		g := newGPU(n, i, perGPU, m.random)
		switch {
		case n == o.Hosts-1 && i == o.GPUsPerHost-1:
			g.fate = lost
		case n == 0 && i == 0:
			g.fate = hot
		}
		m.gpus = append(m.gpus, g)
	}
	m.sample.Networks = []wire.Network{{Interface: "lo"}, {Interface: "eth0"}}
	m.sample.DiskIO = []wire.DiskIO{{Device: "nvme0n1"}}
	m.sample.Disks = []wire.Disk{
		{Mount: "/", Device: "/dev/nvme0n1p1", FileSystem: "ext4", TotalBytes: 2 << 40, UsedBytes: 600 << 30, FreeBytes: 1448 << 30},
	}
	m.sample.GPUs = make([]wire.GPU, len(m.gpus))
	m.sample.CPU = wire.CPU{Known: true, PerCorePercent: make([]float32, cores)}
	return m
}

// facts are what rarely changes.
func (m *machine) facts(name string) wire.HostFacts {
	return wire.HostFacts{
		Name: name, Hostname: name, OS: "linux", Platform: "debian 12.5", Arch: "amd64", Kernel: "6.1.0",
		MachineID: fmt.Sprintf("simulated-%d", m.number), BootID: fmt.Sprintf("boot-%d", m.number),
		AgentVersion: "simulated", CPUModel: "Simulated CPU", CPUCores: cores, MemoryBytes: memoryBytes,
		Labels: []wire.Label{{Name: "simulated", Value: "true"}, {Name: "rack", Value: fmt.Sprintf("r%02d", m.number/10)}},
	}
}

// instances are the host's one Ollama.
func (m *machine) instances() *wire.Instances {
	ollama := wire.Instance{
		Name: wire.DefaultInstance, Mode: "managed", State: wire.InstanceReady, Version: ollamaVersion, PID: 4242,
		StartedUnixMillis: m.started.UnixMilli(), InFlight: uint32(m.inFlight.Load()),
		ModelsKnown: true, Models: m.held, Loaded: m.loaded,
	}
	if m.number%stalledEvery == stalledHost {
		ollama.State, ollama.Reason = wire.InstanceDegraded, "generation_stalled"
		ollama.Message = "a generation stopped producing tokens"
	}
	return &wire.Instances{List: []wire.Instance{ollama}}
}

// read takes the next reading, whose memory is valid until the one after it.
func (m *machine) read(now time.Time) *wire.Sample {
	s := &m.sample
	up := now.Sub(m.started)
	load := m.load.at(up)
	s.UnixMillis = now.UnixMilli()
	s.UptimeSec = uint64((upBefore + up).Seconds())
	s.CPU.TotalPercent = float32(100 * load)
	for i := range s.CPU.PerCorePercent {
		s.CPU.PerCorePercent[i] = float32(100 * min(1, load*(0.6+0.8*m.random.Float64())))
	}
	s.Load = wire.Load{Known: true, Load1: float32(cores * load), Load5: float32(cores * load * 0.9), Load15: float32(cores * load * 0.8)}
	used := uint64(memoryBytes * (0.1 + 0.4*load))
	s.Memory = wire.Memory{Known: true, TotalBytes: memoryBytes, UsedBytes: used, AvailableBytes: memoryBytes - used}
	net, disk := &s.Networks[1], &s.DiskIO[0]
	net.ReceivedBytes += m.upTo(load * 40e6)
	net.SentBytes += m.upTo(load * 120e6)
	disk.ReadBytes += m.upTo(load * 900e6)
	disk.WrittenBytes += m.upTo(load * 60e6)
	disk.BusyMillis += m.upTo(load * 900)
	s.Sensors = append(s.Sensors[:0], wire.Sensor{Name: "coretemp", Celsius: float32(38 + 40*load)})
	for i, g := range m.gpus {
		g.read(&s.GPUs[i], up)
	}
	s.InFlight = uint32(m.inFlight.Load())
	return s
}

// upTo returns a number between half of limit and limit.
func (m *machine) upTo(limit float64) uint64 {
	return uint64(limit * (0.5 + 0.5*m.random.Float64()))
}
