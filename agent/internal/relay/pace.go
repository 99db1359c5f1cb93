package relay

import (
	"context"
	"time"

	"github.com/corral-fleet/corral/agent/internal/ollama"
)

// Pieces that come less than crowded apart are sent on in groups: the relay
// rests for a moment after each, and takes all that came meanwhile. No model is
// that fast; but where many small pieces are ready at once, one at a time they
// would keep a processor busy that those further down the path need to bring
// the first one to its reader.
const (
	crowded = 200 * time.Microsecond
	rest    = 100 * time.Microsecond
)

// pace follows the pieces of one answer. It is for one goroutine.
type pace struct {
	generation *ollama.Generation
	last       time.Time // when the last piece was sent on; zero before the first
	timer      *time.Timer
}

// sent notes that a piece was sent on, and rests where pieces are crowded.
func (p *pace) sent(ctx context.Context) {
	p.generation.Advance()
	now := time.Now()
	apart := now.Sub(p.last)
	p.last = now
	if apart > crowded && p.timer != nil {
		return
	}
	if p.timer == nil { // the first piece: what follows it shows the pace
		p.timer = time.NewTimer(rest)
	} else {
		p.timer.Reset(rest)
	}
	select {
	case <-p.timer.C:
	case <-ctx.Done():
	}
}
