package uplink

import (
	"sort"
	"sync"

	"github.com/corral-fleet/corral/sdk/wire"
)

// Ring holds the samples that the control plane has not acknowledged, encoded,
// up to a number of them. When it is full the oldest goes to the spool, or is lost
// where there is none. It may be used concurrently, and does not allocate once it
// has reached its working size.
type Ring struct {
	capacity int
	spool    *Spool // of samples older than those here; may be nil

	mu      sync.Mutex
	enc     wire.Encoder
	queue   []queued // oldest first
	free    [][]byte // memory of samples that went
	lastSeq uint64
	added   chan struct{} // has an element when there may be something new
}

type queued struct {
	seq        uint64
	unixMillis int64
	frame      []byte
}

// NewRing returns a ring for this many samples, with a spool for older ones, which
// may be nil.
func NewRing(capacity int, spool *Spool) *Ring {
	return &Ring{capacity: capacity, spool: spool, added: make(chan struct{}, 1)}
}

// Close gives back what the spool has. The ring must not be used afterwards.
func (r *Ring) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.spool == nil {
		return nil
	}
	return r.spool.close()
}

// Push numbers a sample and adds it.
func (r *Ring) Push(s *wire.Sample) {
	r.mu.Lock()
	r.lastSeq++
	s.Seq = r.lastSeq
	if len(r.queue) == r.capacity {
		if r.spool != nil {
			r.spool.add(r.queue[0])
		}
		r.drop(1)
	}
	var memory []byte
	if n := len(r.free); n > 0 {
		memory, r.free = r.free[n-1], r.free[:n-1]
	}
	r.queue = append(r.queue, queued{seq: s.Seq, unixMillis: s.UnixMillis, frame: r.enc.AppendFrame(memory[:0], s)})
	r.mu.Unlock()
	select {
	case r.added <- struct{}{}:
	default:
	}
}

// Added has an element when a sample was pushed since it was last received from.
func (r *Ring) Added() <-chan struct{} { return r.added }

// Forget drops the samples up to and including seq.
func (r *Ring) Forget(seq uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.spool != nil {
		r.spool.forget(seq)
	}
	n := 0
	for n < len(r.queue) && r.queue[n].seq <= seq {
		n++
	}
	r.drop(n)
}

// maxFree bounds the memory that is kept for samples to come.
const maxFree = 8

// drop forgets the n oldest.
func (r *Ring) drop(n int) {
	for _, q := range r.queue[:n] {
		if len(r.free) < maxFree {
			r.free = append(r.free, q.frame)
		}
	}
	rest := copy(r.queue, r.queue[n:])
	clear(r.queue[rest:])
	r.queue = r.queue[:rest]
}

// After appends the oldest sample with a higher number than seq to dst, encoded
// as a frame. It returns seq and dst unchanged when there is none.
func (r *Ring) After(seq uint64, dst []byte) (uint64, []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.spool != nil {
		if found, frame, ok := r.spool.after(seq, dst); ok {
			return found, frame
		}
	}
	i := sort.Search(len(r.queue), func(i int) bool { return r.queue[i].seq > seq })
	if i == len(r.queue) {
		return seq, dst
	}
	return r.queue[i].seq, append(dst, r.queue[i].frame...)
}

// Len returns how many samples are waiting to be acknowledged.
func (r *Ring) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.spool != nil {
		return len(r.queue) + len(r.spool.queue)
	}
	return len(r.queue)
}
