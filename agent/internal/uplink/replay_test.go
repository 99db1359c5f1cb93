package uplink

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/corral-fleet/corral/sdk/wire"
)

// TestSamplesAreReplayedWithoutGapsOrDuplicates cuts the connection after any
// number of samples, with any number of them acknowledged, while more come.
func TestSamplesAreReplayedWithoutGapsOrDuplicates(t *testing.T) {
	const total, cuts = 1000, 40
	var stored atomic.Uint64 // what survives at the control plane
	cp := newControlPlane(t, nil, func(*wire.Hello) wire.Frame {
		return &wire.Welcome{HostID: "h1", AckedSeq: stored.Load()}
	})
	o := options(t, cp.url)
	o.Samples = NewRing(total, nil)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		u := New(o)
		for ctx.Err() == nil { // Run, without its waits
			if err := u.connect(ctx, cp.url); err == nil && ctx.Err() == nil {
				t.Error("a connection that was cut ended in order")
			}
		}
	}()
	defer func() { stop(); <-ended }()

	pushed := 0
	for cut := 0; stored.Load() < total; cut++ {
		p := cp.session()
		expect := stored.Load() + 1
		for left := rand.N(2 * total / cuts); (left > 0 || cut >= cuts) && expect <= total; left-- {
			for range min(3, total-pushed) {
				o.Samples.Push(&wire.Sample{})
				pushed++
			}
			s := await[*wire.Sample](p)
			if s.Seq != expect {
				t.Fatalf("in session %d sample %d came, want %d", cut, s.Seq, expect)
			}
			expect++
			if s.Seq < total && rand.N(3) > 0 {
				continue
			}
			stored.Store(s.Seq)
			if rand.N(2) == 0 { // else the acknowledgement is lost with the connection
				p.out.Write(&wire.Ack{Seq: s.Seq})
			}
		}
		p.cut()
	}
}
