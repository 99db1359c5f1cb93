package storm

import (
	"sync/atomic"
	"time"

	"github.com/corral-fleet/corral/sdk/wire"
)

// heartbeats are how late a control plane is, by what one session sees of it: how
// long its answers to our pings take, and by how much its own come after the time.
type heartbeats struct {
	worst *atomic.Int64 // of the fleet, in nanoseconds
	sent  [8]atomic.Int64
	heard time.Time // of the control plane's last ping; of the goroutine that reads
}

func (h *heartbeats) ask(id uint64) { h.sent[id%uint64(len(h.sent))].Store(time.Now().UnixNano()) }

// answered notes the answer to a ping of ours, asked the next one of the peer's.
func (h *heartbeats) answered(id uint64) {
	h.late(time.Duration(time.Now().UnixNano() - h.sent[id%uint64(len(h.sent))].Load()))
}

func (h *heartbeats) asked() {
	now := time.Now()
	h.late(now.Sub(h.heard) - wire.PingInterval)
	h.heard = now
}

func (h *heartbeats) late(by time.Duration) {
	for {
		worst := h.worst.Load()
		if int64(by) <= worst || h.worst.CompareAndSwap(worst, int64(by)) {
			return
		}
	}
}

// Late returns how late the latest heartbeat was since it was last called.
func (f *Fleet) Late() time.Duration { return time.Duration(f.late.Swap(0)) }
