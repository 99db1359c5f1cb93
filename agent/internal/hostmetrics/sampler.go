// Package hostmetrics reads a host's processors, memory, disks, networks and
// temperatures.
//
// What is cheap and cannot hang is read when a sample is taken. File systems
// and temperatures can take arbitrarily long (a network mount whose server is
// away never answers), so [Sampler.Run] reads them in the background and a
// sample gets the last known values.
//
// What cannot be read is absent from a sample: a group that is not Known, a
// core that is NaN, a row that is missing. It is never zero.
package hostmetrics

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/shirou/gopsutil/v3/common"
	"github.com/shirou/gopsutil/v3/disk"
	"github.com/shirou/gopsutil/v3/host"

	"github.com/corral-fleet/corral/sdk/wire"
)

// MaxRows is the most rows that one list of a sample has. Lists are cut to it
// in the order in which they are given.
const MaxRows = 64

// Options say where a [Sampler] reads. The zero value reads the machine that
// the program runs on and logs nothing.
type Options struct {
	Logger   hclog.Logger // nil logs nothing
	ProcRoot string       // in place of /proc
	SysRoot  string       // in place of /sys
	EtcRoot  string       // in place of /etc
}

// Sampler takes samples of one host.
//
// Sample is for one caller at a time. Run and Facts may be called beside it.
type Sampler struct {
	log      hclog.Logger
	procRoot string
	etcRoot  string
	env      common.EnvMap // of everything but block devices
	ioEnv    common.EnvMap // of block devices; see readDiskIO

	cpu      cpuMeter
	outages  outages
	mounts   mountTable
	sensors  sensorTable
	attempts attempts

	// What a fixture cannot stand in for; the tests of faults replace them.
	now    func() time.Time
	uptime func(context.Context) (uint64, error) // seconds since boot, suspension included
	usage  func(ctx context.Context, mount string) (*disk.UsageStat, error)
	temps  func(context.Context) ([]host.TemperatureStat, error)
}

// outages remember which groups could not be read the last time.
type outages struct {
	cpu, load, memory, uptime, diskIO, network outage
}

// New returns a sampler. It reads nothing yet.
func New(o Options) *Sampler {
	s := &Sampler{
		log:      o.Logger,
		procRoot: orDefault(o.ProcRoot, "/proc"),
		etcRoot:  orDefault(o.EtcRoot, "/etc"),
		attempts: newAttempts(),
		now:      time.Now,
		uptime:   host.UptimeWithContext,
		usage:    disk.UsageWithContext,
		temps:    host.SensorsTemperaturesWithContext,
	}
	if s.log == nil {
		s.log = hclog.NewNullLogger()
	}
	sysRoot := orDefault(o.SysRoot, "/sys")
	s.env = environment(s.procRoot, sysRoot, s.etcRoot)
	s.ioEnv = environment(s.procRoot, sysRoot, s.etcRoot)
	s.ioEnv[common.HostDevEnvKey] = s.procRoot + "/no-devices"
	return s
}

// environment tells gopsutil where to read. Mounts are read as this process
// sees them, since it is this process that asks for their sizes.
func environment(proc, sys, etc string) common.EnvMap {
	return common.EnvMap{
		common.HostProcEnvKey: proc,
		common.HostSysEnvKey:  sys,
		common.HostEtcEnvKey:  etc,
		"HOST_PROC_MOUNTINFO": proc + "/self/mountinfo",
	}
}

func orDefault(s, byDefault string) string {
	if s == "" {
		return byDefault
	}
	return s
}

// Sample fills in everything of dst but Seq, UnixMillis and InFlight, which
// stay as they are, and reuses the memory of its lists. CPU usage is measured
// since the call before; the first call has none.
//
// A group that cannot be read is absent. That is logged when it begins and
// when it ends, so Sample has no error to return.
func (s *Sampler) Sample(ctx context.Context, dst *wire.Sample) {
	seq, millis, inFlight := dst.Seq, dst.UnixMillis, dst.InFlight
	dst.Reset()
	dst.Seq, dst.UnixMillis, dst.InFlight = seq, millis, inFlight

	ioCtx := context.WithValue(ctx, common.EnvKey, s.ioEnv)
	ctx = context.WithValue(ctx, common.EnvKey, s.env)
	now := s.now()

	s.readUptime(ctx, now, dst)
	s.outages.cpu.note(s.log, "cpu", s.cpu.read(ctx, &dst.CPU))
	s.outages.load.note(s.log, "load", readLoad(ctx, &dst.Load))
	s.outages.memory.note(s.log, "memory", readMemory(ctx, &dst.Memory))
	s.outages.diskIO.note(s.log, "disk_io", readDiskIO(ioCtx, &dst.DiskIO))
	s.outages.network.note(s.log, "network", readNetworks(ctx, &dst.Networks))
	dst.Disks = s.mounts.appendFresh(dst.Disks, now)
	dst.Sensors = s.sensors.appendFresh(dst.Sensors, now)
}

// readUptime also tells the CPU meter when the machine was suspended: the time
// since boot goes on in a suspension, the monotonic clock and most of the
// processors' counters do not.
func (s *Sampler) readUptime(ctx context.Context, now time.Time, dst *wire.Sample) {
	seconds, err := s.uptime(ctx)
	s.outages.uptime.note(s.log, "uptime", err)
	if err != nil {
		return
	}
	dst.UptimeSec = seconds
	s.cpu.noteClocks(now, time.Duration(seconds)*time.Second)
}
