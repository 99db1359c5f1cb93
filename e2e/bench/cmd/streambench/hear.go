package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/load"
	"github.com/corral-fleet/corral/e2e/bench/stamp"
)

// ear hears the tokens of one stream: each in its place, and no other stream's.
type ear struct {
	clock       stamp.Clock
	from, until time.Duration // what was sent in between is counted
	tokens      int           // that the stream should have

	answer  uint64
	heard   int
	transit []time.Duration // from the stand-in to here
	late    []time.Duration // behind the stand-in's schedule when they were sent
}

func (e *ear) hear(line []byte) error {
	now := e.clock.Now()
	s, ok := stamp.Find(line)
	switch {
	case !ok && e.heard == e.tokens:
		return nil // the last line, which the client judges
	case !ok:
		return fmt.Errorf("in place of token %d of %d came %q", e.heard, e.tokens, line)
	case e.heard == 0:
		e.answer = s.Answer
	}
	if s.Answer != e.answer || s.Piece != e.heard {
		return fmt.Errorf("token %d of answer %d came in place of token %d of answer %d", s.Piece, s.Answer, e.heard, e.answer)
	}
	e.heard++
	if e.from <= s.Sent && s.Sent < e.until {
		e.transit = append(e.transit, now-s.Sent)
		e.late = append(e.late, s.Late)
	}
	return nil
}

// hearing is what came of a load on one path.
type hearing struct {
	load.Tally
	tokens  int            // of the window
	transit load.Quantiles // of them
	late    load.Quantiles
}

// answerSlack is how much longer than it should an answer may take.
const answerSlack = time.Minute

// hear opens the streams of a load, and has the window watched while it lasts.
func (l streamLoad) hear(ctx context.Context, r load.Request, watch func(context.Context) error) (hearing, error) {
	clock := stamp.NewClock()
	lead := l.ramp + settle
	from := clock.Now() + lead
	ears := make([]ear, l.streams)
	room := int(l.window/l.pace()) + 1
	for i := range ears {
		ears[i] = ear{
			clock: clock, from: from, until: from + l.window, tokens: l.tokens(),
			transit: make([]time.Duration, 0, room), late: make([]time.Duration, 0, room),
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var watching sync.WaitGroup
	defer watching.Wait()
	watching.Go(func() {
		opens := time.NewTimer(lead)
		defer opens.Stop()
		select {
		case <-opens.C:
			if err := watch(ctx); err != nil {
				cancel(err)
			}
		case <-ctx.Done():
		}
	})
	streams := load.Streams{Count: l.streams, Ramp: l.ramp, Timeout: l.lasts() + answerSlack}
	tally, err := streams.Run(ctx, r, func(i int) func([]byte) error { return ears[i].hear })
	watching.Wait()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if err != nil {
		return hearing{}, err
	}
	return sum(tally, ears), nil
}

// sum puts together what the ears have heard.
func sum(t load.Tally, ears []ear) hearing {
	var transit, late []time.Duration
	for i := range ears {
		transit, late = append(transit, ears[i].transit...), append(late, ears[i].late...)
	}
	h := hearing{Tally: t, tokens: len(transit)}
	h.transit, _ = load.QuantilesOf(transit)
	h.late, _ = load.QuantilesOf(late)
	return h
}

// median returns the middle of ds, or the later of the two that are; 0 when
// there are none.
func median(ds []time.Duration) time.Duration {
	if len(ds) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(ds))[len(ds)/2]
}
