// Package keeper runs a program so that nothing of it is ever left behind.
//
// Between the agent and `ollama serve` stands a small process of the agent's
// own program, the keeper. It is needed because an Ollama that is killed leaves
// its runners alive, holding all of the GPU's memory, and because an agent that
// is killed can't clean up after itself. The keeper
//
//   - adopts every orphan below it (it is a subreaper), so that "no child left"
//     proves that nothing of the program is left;
//   - hangs on a pipe to the agent: when that closes, for whatever reason, it
//     ends the program and then itself;
//   - kills what the program leaves behind the moment that the program ends, by
//     a control group of its own where one can be made, and one by one else;
//   - takes the program with it when it is itself killed. What is then left is
//     found by a mark in its environment and ended by [Sweep].
//
// [Main] is the keeper's side, [Start] the agent's.
package keeper

import "time"

// Subcommand is the hidden subcommand of the agent's program under which
// [Main] is expected to run.
const Subcommand = "ollama-keeper"

// ReportFD is the descriptor on which the keeper reports. Its standard input is
// the pipe from the agent, its standard output and error are the program's.
const ReportFD = 3

// ownerVariable marks every process of the program, for [Sweep].
const ownerVariable = "CORRAL_OWNER"

// Spec says what to run.
type Spec struct {
	Owner string // names the program's processes apart from any other's; letters, digits and '-' alone
	Path  string // of the executable
	Args  []string
	Env   []string // "NAME=value", all of it
	Dir   string   // working directory

	NoGroup bool // make no control group even where it is possible

	StopGrace   time.Duration // from a polite request to end to SIGKILL
	OrphanGrace time.Duration // the same, when the agent has gone
}

// Exit says how the program ended.
type Exit struct {
	Code   int    // exit status; -1 when a signal ended it or it isn't known
	Signal string // such as "killed"; empty when it exited by itself
	Lost   bool   // the keeper died and could not tell
	Left   []int  // processes of the program that not even SIGKILL ended
}

// The orders that the agent gives after the spec, one to a line.
const (
	orderStop = "stop" // end the program politely, then by force
	orderKill = "kill" // end it by force
)

// report is what the keeper tells the agent, one JSON object to a line.
type report struct {
	Kind  string // one of the kinds below
	PID   int    `json:",omitempty"`
	Error string `json:",omitempty"`
	Left  []int  `json:",omitempty"`
	Exit  *Exit  `json:",omitempty"`
}

const (
	reportStarted = "started"
	reportFailed  = "failed" // to start
	reportStuck   = "stuck"  // was sent SIGKILL a while ago and is still there
	reportExited  = "exited"
)
