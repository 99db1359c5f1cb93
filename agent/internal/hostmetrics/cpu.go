package hostmetrics

import (
	"context"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v3/cpu"

	"github.com/corral-fleet/corral/sdk/wire"
)

const (
	// maxCores bounds the per-core list against a garbled core number.
	maxCores = 4096

	// idleJitter is how far, in seconds, a core's idle time may step back. The
	// kernel estimates idle and iowait of a sleeping core, and corrects itself.
	idleJitter = 0.1

	// suspensionMargin is the difference between the clocks that is not yet
	// taken for a suspension; the time since boot has whole seconds.
	suspensionMargin = 2 * time.Second
)

// coreTimes is how a logical core spent its time since boot, in seconds. Time
// stolen by a hypervisor counts as busy, time spent waiting for disks as idle.
type coreTimes struct {
	known      bool
	busy, idle float64
}

// cpuMeter turns the kernel's counters into usage between two readings.
type cpuMeter struct {
	before, latest []coreTimes // by core; each takes turns at holding a reading
	readAt         time.Time
	uptime         time.Duration
	clocksKnown    bool
}

// noteClocks forgets the reading before when the machine was suspended or
// restored since, or when its clock makes no sense.
func (m *cpuMeter) noteClocks(now time.Time, uptime time.Duration) {
	if m.clocksKnown {
		asleep := (uptime - m.uptime) - now.Sub(m.readAt)
		if asleep > suspensionMargin || asleep < -suspensionMargin {
			m.latest = m.latest[:0]
		}
	}
	m.readAt, m.uptime, m.clocksKnown = now, uptime, true
}

// read takes a reading and fills in what changed since the one before.
func (m *cpuMeter) read(ctx context.Context, dst *wire.CPU) error {
	m.before, m.latest = m.latest, m.before[:0]
	// The total is summed up from the cores: reading it from the same file a
	// second time would cost as much again, and would not match them.
	rows, err := guarded(func() ([]cpu.TimesStat, error) { return cpu.TimesWithContext(ctx, true) })
	if err != nil {
		return err
	}
	for i := range rows {
		m.add(&rows[i])
	}
	if len(m.latest) == 0 {
		return errors.New("the kernel lists no processors") // gopsutil swallows why
	}
	m.compare(dst)
	return nil
}

// add puts a row where its core's number says; a core that is off has no row.
func (m *cpuMeter) add(row *cpu.TimesStat) {
	core, err := strconv.Atoi(strings.TrimPrefix(row.CPU, "cpu"))
	if err != nil || core < 0 || core >= maxCores {
		return
	}
	for len(m.latest) <= core {
		m.latest = append(m.latest, coreTimes{})
	}
	m.latest[core] = coreTimes{
		known: true,
		busy:  row.User + row.Nice + row.System + row.Irq + row.Softirq + row.Steal, // user and nice include guests
		idle:  row.Idle + row.Iowait,
	}
}

// compare fills in the usage of each core, NaN where it is not known, and of
// all that are known together.
func (m *cpuMeter) compare(dst *wire.CPU) {
	var busy, total float64
	for core, now := range m.latest {
		percent := math.NaN()
		if core < len(m.before) {
			if b, t, ok := spent(m.before[core], now); ok {
				percent = 100 * b / t
				busy, total = busy+b, total+t
			}
		}
		dst.PerCorePercent = append(dst.PerCorePercent, float32(percent))
	}
	if total == 0 {
		dst.PerCorePercent = dst.PerCorePercent[:0]
		return
	}
	dst.Known = true
	dst.TotalPercent = float32(100 * busy / total)
}

// spent returns the seconds that a core was busy, and those that passed, between two
// readings. It is not ok when a counter went backwards or no time passed.
func spent(before, now coreTimes) (busy, total float64, ok bool) {
	busy, idle := now.busy-before.busy, now.idle-before.idle
	if idle < 0 && idle > -idleJitter {
		idle = 0
	}
	total = busy + idle
	ok = before.known && now.known && busy >= 0 && idle >= 0 && total > 0 && !math.IsInf(total, 0)
	return busy, total, ok
}
