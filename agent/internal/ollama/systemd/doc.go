// Package systemd looks after one unit of systemd over the system's bus: it
// starts, stops and restarts it, sees how it is, and follows what it prints in
// the journal. Whether that is allowed, polkit says.
package systemd

import "time"

// Unit is a unit of systemd. Its methods may be called concurrently. Each has a
// connection of its own, so that a bus that was away is no matter once it is back.
type Unit struct {
	Name string // such as "corral-ollama@default.service"
	Bus  string // address of the bus; empty is the system's
	// Journalctl is the program that reads the journal; empty is the one on PATH.
	Journalctl string
	// Poll is how often the state is read that systemd does not announce, such as
	// the memory in use; 0 is every 10 s.
	Poll time.Duration
}

const (
	defaultPoll = 10 * time.Second
	// retry is how long after the bus was lost it is tried again.
	retry = time.Second
	// askTimeout is how long the bus may take to answer.
	askTimeout = 10 * time.Second
)

// State is how a unit is, in systemd's words.
type State struct {
	Load   string // "loaded", "not-found", "masked", …
	Active string // "active", "activating", "inactive", "failed", "deactivating", …
	Sub    string // "running", "auto-restart", "dead", …
	Result string // "success", or why it ended: "exit-code", "signal", "oom-kill", "watchdog", …

	MainPID     int           // 0: none
	Started     time.Time     // of the main process; zero: none was
	ExitStatus  int           // of the last main process, or the number of the signal
	Restarts    uint32        // by systemd itself
	Invocation  string        // of the unit's present life
	MemoryBytes uint64        // in use by all its processes; 0 where it isn't counted
	EnvFiles    []string      // files of its environment
	RestartIn   time.Duration // the pause before systemd starts it again by itself
	Asked       time.Time     // when systemd was asked
}

// The values of [State.Load] and [State.Active] that make a difference.
const (
	LoadLoaded   = "loaded"
	LoadNotFound = "not-found"
	LoadMasked   = "masked"

	ActiveActive     = "active"
	ActiveActivating = "activating"
	ActiveInactive   = "inactive"
	ActiveFailed     = "failed"
)

// ExitNoProgram is the status of a unit whose program could not be run.
const ExitNoProgram = 203
