package load

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Crowd is a number of clients that ask at once, each again as soon as it was
// answered.
type Crowd struct {
	Clients int
	Warmup  time.Duration // before answers are counted
	Window  time.Duration // in which an answer's end is counted
	Timeout time.Duration // of one answer
}

// Tally is what a crowd saw in its window.
type Tally struct {
	Complete   int             // answers that came whole
	Broken     int             // answers that did not, at any time of the run
	Lines      int             // of the complete answers
	FirstBreak error           // why the first of the broken did not
	FirstToken []time.Duration // of the complete answers
	Window     time.Duration
}

// Rate returns complete answers a second.
func (t Tally) Rate() float64 { return float64(t.Complete) / t.Window.Seconds() }

// Run lets the crowd ask until its window is over, and returns after its last
// goroutine has. A client whose answer broke connects anew.
func (c Crowd) Run(ctx context.Context, r Request) (Tally, error) {
	if c.Clients < 1 || c.Window <= 0 || c.Timeout <= 0 {
		return Tally{}, fmt.Errorf("load: a crowd needs clients, a window and a timeout: %+v", c)
	}
	tallies := make([]Tally, c.Clients)
	from := time.Now().Add(c.Warmup)
	var wg sync.WaitGroup
	for i := range tallies {
		wg.Go(func() { tallies[i] = c.member(ctx, r, from) })
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return Tally{}, err
	}
	sum := Tally{Window: c.Window}
	for _, t := range tallies {
		sum.Complete += t.Complete
		sum.Broken += t.Broken
		sum.Lines += t.Lines
		sum.FirstToken = append(sum.FirstToken, t.FirstToken...)
		if sum.FirstBreak == nil {
			sum.FirstBreak = t.FirstBreak
		}
	}
	return sum, nil
}

// retryPause keeps a client whose connections fail at once from spinning.
const retryPause = 10 * time.Millisecond

// member is one client of the crowd.
func (c Crowd) member(ctx context.Context, r Request, from time.Time) Tally {
	t := Tally{FirstToken: make([]time.Duration, 0, 4096)}
	until := from.Add(c.Window)
	for ctx.Err() == nil && time.Now().Before(until) {
		if err := c.connection(ctx, r, from, until, &t); err != nil && ctx.Err() == nil {
			t.Broken++
			if t.FirstBreak == nil {
				t.FirstBreak = err
			}
			time.Sleep(retryPause)
		}
	}
	return t
}

// connection asks over one connection until it breaks, is spent, or the window
// is over.
func (c Crowd) connection(ctx context.Context, r Request, from, until time.Time, t *Tally) error {
	client, err := Dial(ctx, r, c.Timeout)
	if err != nil {
		return err
	}
	defer client.Close()
	for !client.Spent() {
		timing, err := client.Chat()
		if err != nil {
			return err
		}
		end := time.Now()
		if !end.Before(until) {
			return nil
		}
		if !end.Before(from) {
			t.Complete++
			t.Lines += timing.Lines
			t.FirstToken = append(t.FirstToken, timing.FirstToken)
		}
	}
	return nil
}
