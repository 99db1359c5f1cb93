package standin

import (
	"time"

	"github.com/corral-fleet/corral/e2e/bench/stamp"
)

// paced is what an answer has that keeps a pace.
type paced struct {
	wheel  *wheel
	turn   *turn
	clock  stamp.Clock
	answer uint64        // its number
	late   time.Duration // the piece that is due, behind the schedule
	said   []byte        // the last stamp, reused
}

// newPaced begins the schedule of an answer, which must be closed.
func (s *Server) newPaced() *paced {
	return &paced{wheel: s.wheel, turn: s.wheel.join(), clock: s.clock, answer: s.answers.Add(1)}
}

// await waits until a piece is due, and reports false when stopped.
func (p *paced) await(piece int, stop <-chan struct{}) bool {
	due := p.turn.first.Add(time.Duration(piece) * p.wheel.pace)
	for {
		if p.late = time.Since(due); p.late >= 0 {
			return true
		}
		select {
		case <-p.turn.wake:
		case <-stop:
			return false
		}
	}
}

// text returns what a piece says as it is sent.
func (p *paced) text(piece int) string {
	p.said = stamp.Stamp{Answer: p.answer, Piece: piece, Sent: p.clock.Now(), Late: p.late}.Append(p.said[:0])
	return string(p.said)
}
