package load

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Streams are answers that are open at once, each over a connection of its own.
type Streams struct {
	Count   int
	Ramp    time.Duration // over which they are asked for, evenly
	Timeout time.Duration // of one answer
}

// Run asks for the streams and returns when all of them have ended. What listen
// returns hears the lines of one stream, as [Client.Stream] has them heard. Of
// the tally, Window and FirstToken are not set.
func (s Streams) Run(ctx context.Context, r Request, listen func(stream int) (heard func(line []byte) error)) (Tally, error) {
	if s.Count < 1 || s.Ramp < 0 || s.Timeout <= 0 {
		return Tally{}, fmt.Errorf("load: streams need a number of them and a timeout: %+v", s)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var sum Tally
	for i := range s.Count {
		wait := s.Ramp * time.Duration(i) / time.Duration(s.Count)
		wg.Go(func() {
			t, err := s.one(ctx, r, wait, listen(i))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				sum.Complete++
				sum.Lines += t.Lines
				return
			}
			if sum.Broken++; sum.FirstBreak == nil {
				sum.FirstBreak = fmt.Errorf("stream %d: %w", i, err)
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return Tally{}, err
	}
	return sum, nil
}

// one asks for one stream when it is its turn.
func (s Streams) one(ctx context.Context, r Request, wait time.Duration, heard func(line []byte) error) (Timing, error) {
	turn := time.NewTimer(wait)
	defer turn.Stop()
	select {
	case <-turn.C:
	case <-ctx.Done():
		return Timing{}, ctx.Err()
	}
	client, err := Dial(ctx, r, s.Timeout)
	if err != nil {
		return Timing{}, err
	}
	defer client.Close()
	return client.Stream(heard)
}
