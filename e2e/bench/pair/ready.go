package pair

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/load"
)

// readyPause lies between two attempts to get an answer.
const readyPause = 50 * time.Millisecond

// AwaitAnswer asks until one answer comes whole, and returns why the last one
// did not when ctx ends before.
func AwaitAnswer(ctx context.Context, r load.Request) error {
	pause := time.NewTicker(readyPause)
	defer pause.Stop()
	var reason error
	for {
		err := askOnce(ctx, r)
		if err == nil {
			return nil
		}
		// The last attempt may only say that time is up; what one before it
		// was told says more.
		var timeout net.Error
		if reason == nil || !errors.As(err, &timeout) || !timeout.Timeout() {
			reason = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no whole answer from %s: %w", r.URL, reason)
		case <-pause.C:
		}
	}
}

func askOnce(ctx context.Context, r load.Request) error {
	c, err := load.Dial(ctx, r, startLimit)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Chat()
	return err
}
