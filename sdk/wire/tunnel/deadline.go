package tunnel

import (
	"sync"
	"time"
)

// deadline wakes those who wait on a condition when its time has come. The
// condition's lock guards it.
type deadline struct {
	passed bool
	timer  *time.Timer
	set    int // how often it was set, by which a timer knows that it is out of date
}

// reset sets the time; the zero time is never.
func (d *deadline) reset(t time.Time, waiting *sync.Cond) {
	d.stop()
	d.passed = false
	d.set++
	if t.IsZero() {
		return
	}
	mine := d.set
	d.timer = time.AfterFunc(time.Until(t), func() {
		waiting.L.Lock()
		defer waiting.L.Unlock()
		if d.set == mine {
			d.passed = true
			waiting.Broadcast()
		}
	})
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
}
