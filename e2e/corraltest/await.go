package corraltest

import (
	"errors"
	"testing"
	"time"
)

// pollInterval is how often a condition is looked at that nobody announces.
const pollInterval = 25 * time.Millisecond

// Await calls condition until it returns nil and ends the test when that takes
// longer than limit. The sentence says what was waited for. It returns how long
// it took.
func Await(t testing.TB, limit time.Duration, sentence string, condition func() error) time.Duration {
	t.Helper()
	started := time.Now()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		err := condition()
		took := time.Since(started)
		if err == nil {
			return took
		}
		if took > limit {
			t.Fatalf("%s: not after %v: %v", sentence, limit, err)
		}
		<-tick.C
	}
}

// Until makes a condition for [Await] of something that is true or not yet.
func Until(condition func() bool) func() error {
	return func() error {
		if condition() {
			return nil
		}
		return errors.New("not yet")
	}
}
