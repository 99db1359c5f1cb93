// Package steady has a clock that nobody sets. Samples are dated by it: a machine
// whose clock is set when it has reached the network, or by hand, would else have
// samples in the wrong place, or lose them for being of long ago.
package steady

import (
	"time"

	"golang.org/x/sys/unix"
)

// Clock goes on from the time that it was when it was made, through suspensions too.
// Its methods may be called concurrently.
type Clock struct {
	began     time.Time
	beganBoot time.Duration
	sinceBoot func() time.Duration
}

// New returns a clock that has the machine's time now.
func New() *Clock { return start(time.Now(), sinceBoot) }

func start(now time.Time, sinceBoot func() time.Duration) *Clock {
	return &Clock{began: now, beganBoot: sinceBoot(), sinceBoot: sinceBoot}
}

// Now returns the time by this clock.
func (c *Clock) Now() time.Time { return c.began.Add(c.sinceBoot() - c.beganBoot) }

// sinceBoot returns for how long the machine runs, suspensions included. Every Linux
// has this clock.
func sinceBoot() time.Duration {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &now)
	return time.Duration(now.Nano())
}
