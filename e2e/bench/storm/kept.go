package storm

import (
	"sync"

	"github.com/corral-fleet/corral/sdk/wire"
)

// maxKept is how many samples an agent keeps until they are acknowledged: fifteen
// minutes of them, as a real one does.
const maxKept = 15 * 60

// kept are the samples of one agent that were not acknowledged. Its methods may be
// called concurrently.
type kept struct {
	added chan struct{} // has an element when there may be something new

	mu     sync.Mutex
	enc    wire.Encoder
	frames [][]byte // oldest first
	next   uint64   // the number of the next one
	first  uint64   // of the oldest that is kept
}

func newKept() *kept { return &kept{added: make(chan struct{}, 1), next: 1, first: 1} }

// push numbers a sample and keeps it.
func (k *kept) push(s *wire.Sample) {
	k.mu.Lock()
	s.Seq = k.next
	k.next++
	if len(k.frames) == maxKept {
		k.drop(1)
	}
	k.frames = append(k.frames, k.enc.AppendFrame(nil, s))
	k.mu.Unlock()
	select {
	case k.added <- struct{}{}:
	default:
	}
}

// forget drops the samples up to seq.
func (k *kept) forget(seq uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if seq >= k.first {
		k.drop(int(min(seq-k.first+1, uint64(len(k.frames)))))
	}
}

func (k *kept) drop(n int) {
	rest := copy(k.frames, k.frames[n:])
	clear(k.frames[rest:])
	k.frames = k.frames[:rest]
	k.first += uint64(n)
}

// after returns the oldest sample with a higher number than seq, or nil.
func (k *kept) after(seq uint64) (uint64, []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	next := max(seq+1, k.first)
	if next >= k.next {
		return seq, nil
	}
	return next, k.frames[next-k.first]
}

// counts returns how many samples were taken, and how many of them are kept.
func (k *kept) counts() (taken, waiting int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return int(k.next - 1), len(k.frames)
}
