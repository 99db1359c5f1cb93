package fleet_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// reading is a sample of a host that has been up for a while, taken so long
// after noon.
func reading(after time.Duration, change ...func(*fleet.Sample)) *fleet.Sample {
	seconds := int64(after / time.Second)
	s := &fleet.Sample{
		TakenAt: noon().Add(after), UptimeSeconds: 100 + seconds,
		Networks: []fleet.Network{
			{Interface: "lo", ReceivedBytes: 1 << 40 * seconds, SentBytes: 1 << 40 * seconds},
			{Interface: "eth0", ReceivedBytes: 1000 + 300*seconds, SentBytes: 2000 + 40*seconds},
			{Interface: "eth1", ReceivedBytes: 5 + 6*seconds, SentBytes: 7},
		},
		DiskIO: []fleet.DiskIO{{Device: "nvme0n1", ReadBytes: 10 + 500*seconds, WrittenBytes: 20 + 70*seconds}},
	}
	for _, c := range change {
		c(s)
	}
	return s
}

func TestRatesBetween(t *testing.T) {
	n := func(v int64) *int64 { return &v }
	all := fleet.Rates{
		ReceivedBytesPerSecond: n(306), SentBytesPerSecond: n(40), ReadBytesPerSecond: n(500), WrittenBytesPerSecond: n(70),
	}
	for name, c := range map[string]struct {
		before, after *fleet.Sample
		want          fleet.Rates
	}{
		"a second apart":    {reading(0), reading(time.Second), all},
		"one is missing":    {reading(time.Second), reading(3 * time.Second), all},
		"the first":         {nil, reading(time.Second), fleet.Rates{}},
		"none":              {reading(0), nil, fleet.Rates{}},
		"after a gap":       {reading(0), reading(4 * time.Second), fleet.Rates{}},
		"the same":          {reading(0), reading(0), fleet.Rates{}},
		"the other way":     {reading(time.Second), reading(0), fleet.Rates{}},
		"booted in between": {reading(0), reading(time.Second, func(s *fleet.Sample) { s.UptimeSeconds = 1 }), fleet.Rates{}},
		"nothing was counted": {
			reading(0, func(s *fleet.Sample) { s.Networks, s.DiskIO = nil, nil }), reading(time.Second), fleet.Rates{},
		},
		"the loopback alone": {
			reading(0), reading(time.Second, func(s *fleet.Sample) { s.Networks = s.Networks[:1] }),
			fleet.Rates{ReadBytesPerSecond: n(500), WrittenBytesPerSecond: n(70)},
		},
		"an interface came": {
			reading(0), reading(time.Second, func(s *fleet.Sample) {
				s.Networks = append(s.Networks, fleet.Network{Interface: "new", ReceivedBytes: 1 << 50, SentBytes: 1 << 50})
			}), all,
		},
		"a disk went": {
			reading(0, func(s *fleet.Sample) {
				s.DiskIO = append(s.DiskIO, fleet.DiskIO{Device: "gone", ReadBytes: 1 << 50, WrittenBytes: 1 << 50})
			}), reading(time.Second), all,
		},
		"a counter went back": {
			reading(0), reading(time.Second, func(s *fleet.Sample) { s.Networks[1].ReceivedBytes = 0 }),
			fleet.Rates{SentBytesPerSecond: n(40), ReadBytesPerSecond: n(500), WrittenBytesPerSecond: n(70)},
		},
		"nothing moved": {
			reading(0), reading(time.Second, func(s *fleet.Sample) { s.DiskIO[0].ReadBytes = 10 }),
			fleet.Rates{ReceivedBytesPerSecond: n(306), SentBytesPerSecond: n(40), ReadBytesPerSecond: n(0), WrittenBytesPerSecond: n(70)},
		},
	} {
		if diff := cmp.Diff(c.want, fleet.RatesBetween(c.before, c.after)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

// Rates are of a session's own samples: the host may have been booted before it.
func TestRatesBeginAnewWithASession(t *testing.T) {
	r := registry("a")
	rates := func() fleet.Rates {
		v, err := r.Find("a")
		if err != nil {
			t.Fatal(err)
		}
		return v.Rates
	}
	r.Observe("a", 1, noon(), reading(0))
	r.Observe("a", 1, noon(), reading(time.Second))
	if got := rates().ReadBytesPerSecond; got == nil || *got != 500 {
		t.Errorf("500 bytes a second are shown as %v", got)
	}
	r.Connect("a", 2, noon(), 0)
	if diff := cmp.Diff(fleet.Rates{}, rates()); diff != "" {
		t.Errorf("a session begins with rates\n%s", diff)
	}
	r.Observe("a", 2, noon(), reading(2*time.Second))
	if diff := cmp.Diff(fleet.Rates{}, rates()); diff != "" {
		t.Errorf("rates reach back beyond the session\n%s", diff)
	}
}
