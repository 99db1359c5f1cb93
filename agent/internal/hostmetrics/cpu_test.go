package hostmetrics

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/corral-fleet/corral/sdk/wire"
)

const statHead = "cpu  0 0 0 0 0 0 0 0 0 0\n"

var nan = float32(math.NaN())

func TestCPUUsageIsWhatChanged(t *testing.T) {
	unknown := wire.CPU{}
	for name, c := range map[string]struct {
		before, now string
		want        wire.CPU
	}{
		"two cores": {
			"cpu0 100 0 0 100 0 0 0 0 0 0\ncpu1 100 0 0 100 0 0 0 0 0 0\n",
			"cpu0 200 0 0 100 0 0 0 0 0 0\ncpu1 125 0 0 175 0 0 0 0 0 0\n",
			wire.CPU{Known: true, TotalPercent: 62.5, PerCorePercent: []float32{100, 25}},
		},
		"every kind of time": {
			"cpu0 0 0 0 0 0 0 0 0 0 0\n",
			"cpu0 10 10 10 20 20 10 10 10 5 5\n", // the guests' are in user and nice already
			wire.CPU{Known: true, TotalPercent: 60, PerCorePercent: []float32{60}},
		},
		"a core that was off has nothing to compare with": {
			"cpu0 0 0 0 0 0 0 0 0 0 0\n",
			"cpu0 50 0 0 50 0 0 0 0 0 0\ncpu2 900 0 0 0 0 0 0 0 0 0\n",
			wire.CPU{Known: true, TotalPercent: 50, PerCorePercent: []float32{50, nan, nan}},
		},
		"a core goes off": {
			"cpu0 0 0 0 0 0 0 0 0 0 0\ncpu1 0 0 0 0 0 0 0 0 0 0\ncpu2 0 0 0 0 0 0 0 0 0 0\n",
			"cpu0 50 0 0 50 0 0 0 0 0 0\ncpu2 100 0 0 0 0 0 0 0 0 0\n",
			wire.CPU{Known: true, TotalPercent: 75, PerCorePercent: []float32{50, nan, 100}},
		},
		"one core's counter goes backwards": {
			"cpu0 500 0 0 0 0 0 0 0 0 0\ncpu1 0 0 0 0 0 0 0 0 0 0\n",
			"cpu0 400 0 0 300 0 0 0 0 0 0\ncpu1 25 0 0 75 0 0 0 0 0 0\n",
			wire.CPU{Known: true, TotalPercent: 25, PerCorePercent: []float32{nan, 25}},
		},
		"the kernel corrects the idle time by a tick": {
			"cpu0 0 0 0 500 100 0 0 0 0 0\n",
			"cpu0 100 0 0 500 95 0 0 0 0 0\n",
			wire.CPU{Known: true, TotalPercent: 100, PerCorePercent: []float32{100}},
		},
		"all counters go backwards":  {"cpu0 500 0 0 500 0 0 0 0 0 0\n", "cpu0 5 0 0 5 0 0 0 0 0 0\n", unknown},
		"the idle time starts anew":  {"cpu0 5 0 0 500 0 0 0 0 0 0\n", "cpu0 6 0 0 5 0 0 0 0 0 0\n", unknown},
		"no time passed":             {"cpu0 5 0 0 5 0 0 0 0 0 0\n", "cpu0 5 0 0 5 0 0 0 0 0 0\n", unknown},
		"a counter is no number":     {"cpu0 5 0 0 5 0 0 0 0 0 0\n", "cpu0 nan 0 0 9 0 0 0 0 0 0\n", unknown},
		"a counter is infinite":      {"cpu0 5 0 0 5 0 0 0 0 0 0\n", "cpu0 9 0 0 inf 0 0 0 0 0 0\n", unknown},
		"a core's number is garbled": {"cpu0 5 0 0 5 0 0 0 0 0 0\n", "cpu99999999 9 0 0 9 0 0 0 0 0 0\n", unknown},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			s := m.sampler()
			m.write("proc/stat", statHead+c.before)
			if first := m.sample(s).CPU; first.Known || len(first.PerCorePercent) > 0 {
				t.Errorf("the first sample has a usage: %+v", first)
			}
			m.write("proc/stat", statHead+c.now)
			if d := diff(c.want, m.sample(s).CPU); d != "" {
				t.Errorf("usage (-want +got):\n%s", d)
			}
		})
	}
}

func TestCPUUsageIsUnknownAcrossASuspension(t *testing.T) {
	for name, c := range map[string]struct {
		passed time.Duration // by the monotonic clock, which stands still in a suspension
		uptime uint64
		known  bool
	}{
		"a second":                 {time.Second, 101, true},
		"a second, rounded":        {time.Second, 102, true},
		"a pause of the agent":     {time.Minute, 160, true},
		"suspended for an hour":    {time.Second, 3701, false},
		"restored from a snapshot": {time.Second, 5, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			s := m.sampler()
			now, uptime := time.Unix(1e9, 0), uint64(100)
			s.now = func() time.Time { return now }
			s.uptime = func(context.Context) (uint64, error) { return uptime, nil }

			m.write("proc/stat", statHead+"cpu0 0 0 0 0 0 0 0 0 0 0\n")
			m.sample(s)
			now, uptime = now.Add(c.passed), c.uptime
			m.write("proc/stat", statHead+"cpu0 30 0 0 70 0 0 0 0 0 0\n")
			if got := m.sample(s).CPU; got.Known != c.known {
				t.Errorf("usage = %+v, want known = %v", got, c.known)
			}
			now, uptime = now.Add(time.Second), uptime+1
			m.write("proc/stat", statHead+"cpu0 60 0 0 140 0 0 0 0 0 0\n")
			if got := m.sample(s).CPU; !got.Known || got.TotalPercent != 30 {
				t.Errorf("usage after it = %+v, want 30%%", got)
			}
		})
	}
}

func TestCPUUsageIsUnknownAfterAGap(t *testing.T) {
	m := newMachine(t)
	s := m.sampler()
	m.sample(s)
	m.write("proc/stat", "")
	m.sample(s)
	m.write("proc/stat", statHead+"cpu0 900 0 50 900 50 0 0 0 0 0\n")
	if got := m.sample(s).CPU; got.Known {
		t.Errorf("usage = %+v, though the sample before had no counters", got)
	}
}
