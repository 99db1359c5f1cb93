package uplink

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/sdk/wire"
)

// recent is how many samples a ring holds here, at one a second.
const recent = 15 * 60

func newSpool(t *testing.T) *Spool {
	return NewSpool(SpoolOptions{Dir: t.TempDir(), Interval: 10 * time.Second, Samples: 8640, Bytes: 64 << 20, Log: hclog.NewNullLogger()})
}

// newSpooled returns a ring as an agent has it.
func newSpooled(t *testing.T, s *Spool) *Ring {
	r := NewRing(recent, s)
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// wantKept wants what is left of so many seconds: each of the last fifteen
// minutes, and one of ten of the day before.
func wantKept(t *testing.T, seqs []uint64, seconds int) {
	t.Helper()
	last := uint64(seconds)
	older := min(seconds-recent, 24*60*60)
	if want := min(seconds, recent) + (max(older, 0)+9)/10; len(seqs) != want {
		t.Fatalf("after %d s %d samples are kept, want %d", seconds, len(seqs), want)
	}
	for i, seq := range seqs {
		switch {
		case i == len(seqs)-1 && seq != last:
			t.Errorf("the last is %d, want %d", seq, last)
		case i == 0:
		case seq+recent > last+1 && seq != seqs[i-1]+1:
			t.Fatalf("after %d comes %d", seqs[i-1], seq)
		case seq+recent <= last && seq != seqs[i-1]+10:
			t.Fatalf("after %d comes %d, of older ones", seqs[i-1], seq)
		}
	}
}

func TestOlderSamplesAreKeptMoreRarely(t *testing.T) {
	for name, seconds := range map[string]int{"ten minutes": 600, "half an hour": 1800, "a day": 86400, "more than a day": 100_000} {
		t.Run(name, func(t *testing.T) {
			r := newSpooled(t, newSpool(t))
			push(r, seconds)
			seqs := held(t, r)
			wantKept(t, seqs, seconds)
			if r.Len() != len(seqs) {
				t.Errorf("%d by Len, want %d", r.Len(), len(seqs))
			}
		})
	}
}

// TestADayOfEightGPUsFitsIntoAnAgent fills everything with samples of a large host.
func TestADayOfEightGPUsFitsIntoAnAgent(t *testing.T) {
	const maxHeap = 4 << 20
	s := newSpool(t)
	var sample wire.Sample
	sample.CPU = wire.CPU{Known: true, PerCorePercent: make([]float32, 64)}
	for i := range sample.CPU.PerCorePercent {
		sample.CPU.PerCorePercent[i] = float32(i)
	}
	for range 8 {
		sample.GPUs = append(sample.GPUs, wire.GPU{
			UUID: "GPU-51300000-0000-4000-8000-000000000000", Name: "NVIDIA H200", State: wire.GPUOK, UtilizationPercent: 50, TemperatureCelsius: 60,
			Memory: wire.GPUMemory{Known: true, TotalBytes: 141 << 30, UsedBytes: 70 << 30}, PowerWatts: 500, PowerLimitWatts: 700,
		})
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	r := newSpooled(t, s)
	for second := range int64(recent + 86400) {
		sample.UnixMillis = 1000 * second
		r.Push(&sample)
	}
	used := int64(heap()) - int64(before)
	t.Logf("%d samples take %d KiB of memory and %d KiB of disk", r.Len(), used>>10, s.next>>10)
	if used > maxHeap {
		t.Errorf("a day takes %d bytes of memory, want at most %d", used, maxHeap)
	}
	if r.Len() != recent+8640 {
		t.Errorf("%d samples are kept", r.Len())
	}
}

func TestASpoolGoesOnWhenItsFileIsFull(t *testing.T) {
	s := newSpool(t)
	s.Bytes = 1000
	r := newSpooled(t, s)
	push(r, recent+5000)
	seqs := held(t, r) // reads each, and so sees to it that none is another's bytes
	if older := len(seqs) - recent; older < 20 || older > 200 {
		t.Errorf("%d samples are in 1000 bytes", older)
	}
	for i := 1; i < len(seqs)-recent; i++ {
		if seqs[i] != seqs[i-1]+10 {
			t.Fatalf("after %d comes %d", seqs[i-1], seqs[i])
		}
	}
	if s.next > s.Bytes {
		t.Errorf("the file has %d bytes", s.next)
	}
}

func TestASpoolLeavesNothingBehind(t *testing.T) {
	s := newSpool(t)
	r := newSpooled(t, s)
	push(r, 2*recent)
	if left, err := os.ReadDir(s.Dir); err != nil || len(left) != 0 {
		t.Errorf("there are %v, %v", left, err)
	}
	r.Forget(r.lastSeq - recent - 50)
	if s.queue[0].seq <= r.lastSeq-recent-50 {
		t.Errorf("%d is still there", s.queue[0].seq)
	}
	r.Forget(r.lastSeq)
	if info, err := s.file.Stat(); err != nil || info.Size() != 0 || r.Len() != 0 {
		t.Errorf("with all acknowledged the file has %d bytes, %v, and the ring %d samples", info.Size(), err, r.Len())
	}
	push(r, 2*recent)
	if n := len(held(t, r)); n != recent+recent/10 {
		t.Errorf("then %d samples are kept", n)
	}
}

func TestASpoolThatCannotBeWrittenLosesSamplesAndSaysSo(t *testing.T) {
	s := newSpool(t)
	var said bytes.Buffer
	s.Log = hclog.New(&hclog.LoggerOptions{Output: &said})
	dir := s.Dir
	s.Dir = filepath.Join(dir, "missing")
	r := newSpooled(t, s)
	push(r, 2*recent)
	if n := len(held(t, r)); n != recent {
		t.Errorf("%d samples are kept", n)
	}
	if n := strings.Count(said.String(), "are lost"); n != 1 {
		t.Errorf("it is said %d times:\n%s", n, &said)
	}
	s.Dir = dir
	push(r, 100)
	if n := len(held(t, r)) - recent; n != 10 {
		t.Errorf("when it can be written again, %d older samples are kept", n)
	}
}

func TestClocksThatJumpDoNotKeepSamplesFromBeingKept(t *testing.T) {
	s := newSpool(t)
	for i, unixMillis := range []int64{0, 5_000, 10_000, -3_600_000, -3_595_000, -3_590_000, 100_000} {
		s.add(queued{seq: uint64(i + 1), unixMillis: unixMillis, frame: []byte("x")})
	}
	var seqs []uint64
	for _, q := range s.queue {
		seqs = append(seqs, q.seq)
	}
	if len(seqs) != 5 {
		t.Errorf("%v are kept", seqs)
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
}

// TestOutagesAreMadeUpFor lets a control plane be away for half an hour and for a
// day, and crash while it gets what was kept, with some of it not on its disk.
func TestOutagesAreMadeUpFor(t *testing.T) {
	for name, seconds := range map[string]int{"half an hour": 1800, "a day": 86400 + recent} {
		t.Run(name, func(t *testing.T) {
			var acked atomic.Uint64 // what survives at the control plane
			cp := newControlPlane(t, nil, func(*wire.Hello) wire.Frame { return &wire.Welcome{HostID: "h1", AckedSeq: acked.Load()} })
			o := options(t, cp.url)
			o.Samples = newSpooled(t, newSpool(t))
			push(o.Samples, seconds)
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for u := New(o); ctx.Err() == nil; { // Run, without its waits
					if err := u.connect(ctx, cp.url); err == nil && ctx.Err() == nil {
						t.Error("a connection that was cut ended in order")
					}
				}
			}()
			defer func() { stop(); <-ended }()
			var stored []uint64
			for last := uint64(seconds); acked.Load() < last; {
				p := cp.session()
				for range 700 {
					s := await[*wire.Sample](p)
					stored = append(stored, s.Seq)
					if s.Seq == last {
						break
					}
				}
				if stored[len(stored)-1] < last {
					stored = stored[:len(stored)-rand.N(100)]
				}
				acked.Store(stored[len(stored)-1])
				p.cut()
			}
			wantKept(t, stored, seconds)
		})
	}
}
