package uplink

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/corral-fleet/corral/sdk/wire"
)

// held returns the numbers of the samples in a ring, as they would be sent.
func held(t *testing.T, r *Ring) []uint64 {
	t.Helper()
	var seqs []uint64
	for at := uint64(0); ; {
		next, frame := r.After(at, nil)
		if next == at {
			if len(frame) != 0 {
				t.Error("there is a frame of nothing")
			}
			return seqs
		}
		decoded, err := wire.DecodeFrame(frame)
		if err != nil {
			t.Fatal(err)
		}
		if s := decoded.(*wire.Sample); s.Seq != next || s.UnixMillis != int64(1000*next) {
			t.Fatalf("sample %d is %+v", next, s)
		}
		seqs, at = append(seqs, next), next
	}
}

func push(r *Ring, n int) {
	for range n {
		var s wire.Sample
		s.UnixMillis = int64(1000 * (r.lastSeq + 1))
		r.Push(&s)
	}
}

func TestRing(t *testing.T) {
	r := NewRing(4, nil)
	want := func(seqs ...uint64) {
		t.Helper()
		if got := held(t, r); !slices.Equal(got, seqs) || r.Len() != len(seqs) {
			t.Errorf("%v are held, %d by Len; want %v", got, r.Len(), seqs)
		}
	}
	want()
	push(r, 3)
	want(1, 2, 3)
	push(r, 3) // more than there is room for: the oldest go
	want(3, 4, 5, 6)
	r.Forget(2) // gone already
	want(3, 4, 5, 6)
	r.Forget(4)
	want(5, 6)
	push(r, 1)
	want(5, 6, 7)
	r.Forget(100)
	want()
	push(r, 1)
	want(8)
}

func TestAddedHasOneElementForAnyNumber(t *testing.T) {
	r := NewRing(4, nil)
	push(r, 3)
	<-r.Added()
	select {
	case <-r.Added():
		t.Error("a second element")
	default:
	}
	push(r, 1)
	<-r.Added()
}

func TestRingUsedConcurrently(t *testing.T) {
	const total = 2000
	r := NewRing(50, nil)
	var wg sync.WaitGroup
	wg.Go(func() { push(r, total) })
	wg.Go(func() {
		var frame []byte
		for at := uint64(0); at < total; {
			var next uint64
			if next, frame = r.After(at, frame[:0]); next == at {
				<-r.Added()
				continue
			}
			if _, err := wire.DecodeFrame(frame); err != nil {
				t.Error(err)
			}
			if at = next; rand.N(10) == 0 {
				r.Forget(at)
			}
		}
	})
	wg.Wait()
	if last := held(t, r); len(last) > 0 && last[len(last)-1] != total {
		t.Errorf("the last sample is %d", last[len(last)-1])
	}
}

func BenchmarkRing(b *testing.B) {
	r := NewRing(3600, nil)
	sample := wire.Sample{CPU: wire.CPU{Known: true, PerCorePercent: make([]float32, 64)}}
	var frame []byte
	b.ReportAllocs()
	for b.Loop() {
		r.Push(&sample)
		_, frame = r.After(sample.Seq-1, frame[:0])
		r.Forget(sample.Seq)
	}
}
