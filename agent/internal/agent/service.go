package agent

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/corral-fleet/corral/agent/internal/status"
	"github.com/corral-fleet/corral/sdk/sdnotify"
)

// slowTurn is how much later than it is due a sample may come on a busy machine
// before the agent counts as hanging.
const slowTurn = 15 * time.Second

// pulse shows that a loop goes on turning.
type pulse struct {
	began time.Time
	most  time.Duration // between two turns
	last  atomic.Int64  // nanoseconds after it began
}

func newPulse(most time.Duration) *pulse { return &pulse{began: time.Now(), most: most} }

func (p *pulse) beat() { p.last.Store(int64(time.Since(p.began))) }

// beats reports whether the last turn was not too long ago.
func (p *pulse) beats() bool {
	return time.Since(p.began)-time.Duration(p.last.Load()) <= p.most
}

// beatOf is what systemd is told. An agent without a control plane, an Ollama or
// GPUs is alive: no restart would mend that.
func beatOf(r status.Report, turning bool) sdnotify.Beat {
	line := "not connected"
	if r.Connected {
		line = "connected to " + r.Server
	}
	line += "; Ollama is " + r.Ollama.State
	if r.Ollama.State == "" {
		line += "unknown"
	}
	if r.Ollama.Models > 0 {
		line += fmt.Sprintf(" with %d models", r.Ollama.Models)
	}
	return sdnotify.Beat{Alive: turning, Status: line}
}
