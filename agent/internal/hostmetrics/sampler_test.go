package hostmetrics

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/shirou/gopsutil/v3/disk"

	"github.com/corral-fleet/corral/sdk/wire"
)

func TestSampleOfAnOddMachine(t *testing.T) {
	m := newMachine(t)
	s := m.sampler()
	s.uptime = func(context.Context) (uint64, error) { return 4711, nil }

	got := wire.Sample{Seq: 7, UnixMillis: 8, InFlight: 9, Networks: []wire.Network{{Interface: "of the sample before"}}}
	s.Sample(t.Context(), &got)
	want := wire.Sample{
		Seq: 7, UnixMillis: 8, InFlight: 9,
		UptimeSec: 4711,
		Load:      wire.Load{Known: true, Load1: 0.52, Load5: 0.48, Load15: 0.40},
		Memory:    wire.Memory{Known: true, TotalBytes: 1000000 << 10, AvailableBytes: 600000 << 10, UsedBytes: 400000 << 10},
		DiskIO: []wire.DiskIO{
			{Device: "nvme0n1", ReadBytes: 200 * 512, WrittenBytes: 400 * 512, BusyMillis: 77},
			{Device: "sda", ReadBytes: 2 * 512, WrittenBytes: 6 * 512, BusyMillis: 8},
			{Device: "xvdz1", ReadBytes: 2 * 512, WrittenBytes: 6 * 512, BusyMillis: 8},
			{Device: "dm-1", ReadBytes: 2 * 512, WrittenBytes: 6 * 512, BusyMillis: 8},
			{Device: "dm-10", ReadBytes: 2 * 512, WrittenBytes: 6 * 512, BusyMillis: 8},
		},
		Networks: []wire.Network{
			{Interface: "bond0", ReceivedBytes: 5, SentBytes: 6},
			{Interface: "br-lan", ReceivedBytes: 7, SentBytes: 8},
			{Interface: "eth0", ReceivedBytes: 2000, SentBytes: 3000, Errors: 4, Dropped: 6},
		},
	}
	if d := diff(want, got); d != "" {
		t.Errorf("the sample differs (-want +got):\n%s", d)
	}
	if m.log.String() != "" {
		t.Errorf("a machine that is merely odd was complained about:\n%s", m.log.String())
	}
}

func TestWhatCannotBeReadIsAbsentAndLoggedOnce(t *testing.T) {
	for _, c := range []struct{ group, file, content string }{
		{"cpu", "proc/stat", "one line"},
		{"memory", "proc/meminfo", ""},
		{"memory", "proc/meminfo", "MemTotal: 5 kB\nMemAvailable: 6 kB\n"},
		{"memory", "proc/meminfo", "MemTotal: 5 kB\nMemAvailable: 1 kB\nSwapTotal: 1 kB\nSwapFree: 2 kB\n"},
		{"memory", "proc/meminfo", "MemTotal: many kB\n"},
		{"load", "proc/loadavg", ""},
		{"load", "proc/loadavg", "nan nan nan"},
		{"load", "proc/loadavg", "-1 0 0"},
		{"disk_io", "proc/diskstats", "8 0 sda x 0 0 0 0 0 0 0 0 0 0\n"},
		{"network", "proc/net/dev", ""},
		{"network", "proc/net/dev", "a\nb\neth0: 1 2\n"},
	} {
		t.Run(fmt.Sprintf("%s %.20q", c.group, c.content), func(t *testing.T) {
			m := newMachine(t)
			s := m.sampler()
			m.sample(s)
			m.write(c.file, c.content)
			for range 3 {
				got := m.sample(s)
				absent := map[string]bool{
					"cpu": !got.CPU.Known, "memory": got.Memory == wire.Memory{}, "load": got.Load == wire.Load{},
					"disk_io": len(got.DiskIO) == 0, "network": len(got.Networks) == 0,
				}
				if !absent[c.group] {
					t.Errorf("there is a value for %s: %+v", c.group, got)
				}
			}
			m.restore(c.file)
			m.sample(s)
			m.sample(s)
			if failed, back := m.logged("reading failed", "group="+c.group), m.logged("works again", "group="+c.group); failed != 1 || back != 1 {
				t.Errorf("logged the beginning %d times and the end %d times, want once each:\n%s", failed, back, m.log.String())
			}
			if n := strings.Count(m.log.String(), "\n"); n != 2 {
				t.Errorf("%d lines were logged, want 2:\n%s", n, m.log.String())
			}
		})
	}
}

func TestMachineWithoutAnyFiles(t *testing.T) {
	m := newMachine(t)
	m.remove("proc")
	m.remove("sys")
	s := m.sampler()
	s.uptime = func(context.Context) (uint64, error) { return 0, errors.New("not permitted") }
	got := m.sample(s)
	got.Load = wire.Load{} // has a system call to fall back on
	if d := diff(wire.Sample{}, *got); d != "" {
		t.Errorf("there are values (-want +got):\n%s", d)
	}
}

func TestListsAreBounded(t *testing.T) {
	m := newMachine(t)
	var disks, networks strings.Builder
	networks.WriteString("head\nhead\n")
	for i := range 3 * MaxRows {
		fmt.Fprintf(&disks, "253 %d dm-%d 1 0 2 3 4 0 6 7 0 8 9\n", i, i)
		fmt.Fprintf(&networks, "wan%03d: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n", i)
	}
	disks.WriteString("8 0 sda 1 0 2 3 4 0 6 7 0 8 9\n")
	m.write("proc/diskstats", disks.String())
	m.write("proc/net/dev", networks.String())
	got := m.sample(m.sampler())
	if len(got.DiskIO) != MaxRows || len(got.Networks) != MaxRows {
		t.Errorf("%d devices and %d interfaces, want %d of each", len(got.DiskIO), len(got.Networks), MaxRows)
	}
	if got.DiskIO[0].Device != "sda" {
		t.Errorf("the only disk gave way to %q", got.DiskIO[0].Device)
	}
}

func TestSampleReusesTheCallersMemory(t *testing.T) {
	m := newMachine(t)
	s := m.sampler()
	var dst wire.Sample
	s.Sample(t.Context(), &dst)
	first := &dst.Networks[0]
	s.Sample(t.Context(), &dst)
	if &dst.Networks[0] != first {
		t.Error("the list of networks was allocated anew")
	}
	allocs := testing.AllocsPerRun(20, func() { s.Sample(t.Context(), &dst) })
	if allocs > 400 { // the libraries' own; a lookup for each device or a second read of a file would pass it
		t.Errorf("%v allocations a sample, want at most 400", allocs)
	}
}

// TestThisMachine reads the real thing, whatever it is.
func TestThisMachine(t *testing.T) {
	s := New(Options{})
	s.refreshMounts(t.Context())
	var got wire.Sample
	s.Sample(t.Context(), &got)
	if !got.Memory.Known || !got.Load.Known || got.UptimeSec == 0 {
		t.Errorf("memory, load or uptime are missing: %+v", got)
	}
	root, err := disk.Usage("/")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range got.Disks {
		if d.Mount == "/" && d.TotalBytes == root.Total {
			return
		}
	}
	t.Errorf("no row for / with %d bytes: %+v", root.Total, got.Disks)
}
