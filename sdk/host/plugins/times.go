package plugins

import "time"

// times are those that tests shorten.
type times struct {
	ping         time.Duration // between looks at a process
	pingDeadline time.Duration
	quitGrace    time.Duration // from asking a stuck process for its stacks to its end
	health       time.Duration // between looks at an instance
	healthLimit  time.Duration
	firstBackoff time.Duration
	maxBackoff   time.Duration
	failedPause  time.Duration // between starts of one that is failed
	exitWindow   time.Duration // in which exits are counted
	drain        time.Duration // for what the old process of an upgrade still does
	idle         time.Duration // of a transfer, without a byte
	commit       time.Duration // from the last byte of an upload to its end
}

// An instance's health is asked for so often that its going and coming back are seen
// within ten seconds.
func defaultTimes() times {
	return times{
		ping: 3 * time.Second, pingDeadline: 5 * time.Second, quitGrace: 2 * time.Second,
		health: 4 * time.Second, healthLimit: 5 * time.Second,
		firstBackoff: 500 * time.Millisecond, maxBackoff: 30 * time.Second, failedPause: time.Minute, exitWindow: 10 * time.Minute,
		drain: 30 * time.Second, idle: time.Minute, commit: 5 * time.Minute,
	}
}
