package ollama

import (
	"reflect"
	"slices"
	"sync"

	"github.com/corral-fleet/corral/sdk/wire"
)

// keptRestarts is how many restarts an instance tells of.
const keptRestarts = 10

// board is what is known of the instance, and the signal that it changed.
type board struct {
	mu       sync.Mutex
	instance wire.Instance
	troubles map[Cause]string                  // what a running instance fails to do, with a sentence
	slow     string                            // a sentence for ReasonCPUFallback; empty is none
	runners  []uint32                          // its processes that run models, as far as GPUs are known
	remarked struct{ reason, sentence string } // of an instance that is ready
	changed  chan struct{}
}

// troubleOrder is the order in which troubles are told: the first one only.
var troubleOrder = [...]Cause{CauseUnresponsive, CauseStalled}

func newBoard(name string) *board {
	return &board{
		instance: wire.Instance{Name: name},
		troubles: map[Cause]string{},
		changed:  make(chan struct{}, 1),
	}
}

// snapshot returns a copy that shares no memory with the board.
func (b *board) snapshot() wire.Instance {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := b.instance
	i.Restarts, i.Models, i.Loaded = slices.Clone(i.Restarts), slices.Clone(i.Models), slices.Clone(i.Loaded)
	if i.State != wire.InstanceReady && i.State != wire.InstanceStarting {
		return i
	}
	for _, cause := range troubleOrder {
		if sentence, ok := b.troubles[cause]; ok {
			i.State, i.Reason, i.Message = wire.InstanceDegraded, string(cause), sentence
			return i
		}
	}
	switch {
	case i.State != wire.InstanceReady || i.Reason != "":
	case b.slow != "":
		i.Reason, i.Message = ReasonCPUFallback, b.slow // it serves all the same
	default:
		i.Reason, i.Message = b.remarked.reason, b.remarked.sentence
	}
	return i
}

// note says that a model would fit on the GPUs and isn't there, or, with an empty
// sentence, that none is so.
func (b *board) note(sentence string) {
	b.mu.Lock()
	same := b.slow == sentence
	b.slow = sentence
	b.mu.Unlock()
	if !same {
		b.signal()
	}
}

// runs notes the processes that run models.
func (b *board) runs(runners []runner) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.runners = b.runners[:0]
	for _, r := range runners {
		b.runners = append(b.runners, uint32(r.PID))
	}
}

// serves reports whether requests make sense.
func (b *board) serves() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, unresponsive := b.troubles[CauseUnresponsive]
	return b.instance.State == wire.InstanceReady && !unresponsive
}

// update changes the instance and signals if that made a difference.
func (b *board) update(f func(i *wire.Instance)) {
	b.mu.Lock()
	before := b.instance
	f(&b.instance)
	same := reflect.DeepEqual(before, b.instance)
	b.mu.Unlock()
	if !same {
		b.signal()
	}
}

// state sets the state, its reason and its sentence.
func (b *board) state(state, reason, message string) {
	b.update(func(i *wire.Instance) { i.State, i.Reason, i.Message = state, reason, message })
}

// over forgets what belonged to an Ollama that is gone.
func (b *board) over() {
	b.update(func(i *wire.Instance) {
		i.PID, i.StartedUnixMillis, i.Version, i.Parallel, i.Settings = 0, 0, "", 0, wire.OllamaSettings{}
		i.ModelsKnown, i.Models, i.Loaded = false, nil, nil
	})
	for _, cause := range troubleOrder {
		b.clear(cause)
	}
	b.note("")
	b.runs(nil)
}

// trouble says what a running instance fails to do.
func (b *board) trouble(cause Cause, sentence string) {
	b.mu.Lock()
	same := b.troubles[cause] == sentence
	b.troubles[cause] = sentence
	b.mu.Unlock()
	if !same {
		b.signal()
	}
}

// remark says something of an instance that is ready; empty takes it back.
func (b *board) remark(reason, sentence string) {
	b.mu.Lock()
	before := b.remarked
	b.remarked.reason, b.remarked.sentence = reason, sentence
	same := before == b.remarked
	b.mu.Unlock()
	if !same {
		b.signal()
	}
}

// troubled returns the sentence of a trouble, or the empty string.
func (b *board) troubled(cause Cause) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.troubles[cause]
}

// clear takes a trouble back.
func (b *board) clear(cause Cause) {
	b.mu.Lock()
	_, had := b.troubles[cause]
	delete(b.troubles, cause)
	b.mu.Unlock()
	if had {
		b.signal()
	}
}

// restarted adds to the history.
func (b *board) restarted(r wire.Restart) {
	b.update(func(i *wire.Instance) {
		i.RestartCount++
		i.Restarts = append(slices.Clone(i.Restarts), r)
		i.Restarts = i.Restarts[max(len(i.Restarts)-keptRestarts, 0):]
	})
}

func (b *board) signal() {
	select {
	case b.changed <- struct{}{}:
	default: // whoever listens has one to come
	}
}
