package plugins

import (
	"context"
	"fmt"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// maxMisses is how often in a row a process may fail to answer.
const maxMisses = 3

// watch asks a process again and again whether it is there, and ends one that stands
// still: it does not answer, and moves no byte either.
type watch struct {
	unit    *unit
	ticker  *time.Ticker
	answers chan answer
	asking  bool
	misses  int
	moved   int64
	cancel  context.CancelFunc
}

// answer is nil where the process answered in time.
type answer struct{ err error }

func newWatch(u *unit) *watch {
	return &watch{unit: u, ticker: time.NewTicker(u.config.times.ping), answers: make(chan answer, 1), cancel: func() {}}
}

// tick returns when it is time to ask.
func (w *watch) tick() <-chan time.Time { return w.ticker.C }

// ask asks a process, unless an answer is due.
func (w *watch) ask(ctx context.Context, g *generation) {
	if w.asking {
		return
	}
	w.asking = true
	ctx, w.cancel = context.WithTimeout(ctx, w.unit.config.times.pingDeadline)
	answers := w.answers
	go func() { answers <- answer{g.process.Health(ctx)} }() // it ends with its context
}

// answered takes an answer. A process that has missed too many is ended.
func (w *watch) answered(g *generation, err error) {
	w.cancel()
	w.asking = false
	moved := w.unit.meter.moved()
	progress := moved != w.moved
	w.moved = moved
	if err == nil || progress {
		if w.misses > 0 {
			w.unit.set(Ready, fault.Ours, "")
		}
		w.misses = 0
		return
	}
	w.misses++
	w.unit.set(Degraded, fault.Plugin, fmt.Sprintf("it does not answer: %s", fault.MessageOf(err)))
	if w.misses < maxMisses {
		return
	}
	w.unit.log.Error("plugin stands still and is ended", "pid", g.process.PID(), "error", err)
	g.process.Quit()
	timer := time.NewTimer(w.unit.config.times.quitGrace)
	defer timer.Stop()
	select {
	case <-g.process.Exited():
	case <-timer.C:
		g.process.Kill()
	}
}

// renew forgets what was of another process.
func (w *watch) renew() {
	w.cancel()
	if w.asking {
		<-w.answers
	}
	w.asking, w.misses = false, 0
}

func (w *watch) stop() {
	w.ticker.Stop()
	w.renew()
}
