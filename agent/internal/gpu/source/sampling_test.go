//go:build cgo

package source

import (
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/corral-fleet/corral/agent/internal/gpu"
	"github.com/corral-fleet/corral/agent/internal/gpu/frame"
)

// eightCards is a machine with eight cards, of which a reading was sent.
func eightCards(t testing.TB) (s *nvmlSource, send func()) {
	t.Helper()
	opened, err := Open(RecordedPrefix+"dgxh100", Host{})
	if err != nil {
		t.Fatal(err)
	}
	s = opened.(*nvmlSource)
	out := frame.NewWriter(io.Discard)
	var r gpu.Reading
	send = func() {
		s.Read(&r)
		if err := out.Write(&r); err != nil || len(r.Devices) != 8 {
			t.Fatalf("%d cards, %v", len(r.Devices), err)
		}
	}
	send()
	return s, send
}

func TestSamplingTakesNoMemory(t *testing.T) {
	s, send := eightCards(t)
	now := time.Now()
	s.now = func() time.Time { return now }
	send()
	if n := testing.AllocsPerRun(200, send); n != 0 {
		t.Errorf("a reading that was sent took memory %v times", n)
	}
}

// A machine that is looked at for a day is no larger than at first.
func TestSamplingDoesNotGrow(t *testing.T) {
	s, send := eightCards(t)
	now := time.Now()
	s.now = func() time.Time { now = now.Add(slowInterval); return now }
	live := func() uint64 {
		for range 200 {
			send()
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := live()
	for range 5 {
		live()
	}
	if after := live(); after > before+32<<10 {
		t.Errorf("after 1200 readings %d bytes are in use, before %d", after, before)
	}
}

func BenchmarkSampling(b *testing.B) {
	s, send := eightCards(b)
	now := time.Now()
	s.now = func() time.Time { return now }
	b.ReportAllocs()
	for b.Loop() {
		send()
	}
}
