// Package doctor judges what was found out about a host and its agent: each
// check with its evidence and, where something is wrong, what mends it. It finds
// out nothing itself and changes nothing.
package doctor

import (
	"time"

	"github.com/corral-fleet/corral/agent/internal/survey"
	"github.com/corral-fleet/corral/agent/internal/uplink"
	"github.com/corral-fleet/corral/sdk/checkup"
)

// Check is one thing that was looked at.
type Check = checkup.Check

// How a check can come out.
const (
	OK      = checkup.OK
	Warning = checkup.Warning
	Failed  = checkup.Failed
)

func ok(name, evidence string) Check { return Check{Name: name, Status: OK, Evidence: evidence} }

func warning(name, evidence, mend string) Check {
	return Check{Name: name, Status: Warning, Evidence: evidence, Mend: mend}
}

func failed(name, evidence, mend string) Check {
	return Check{Name: name, Status: Failed, Evidence: evidence, Mend: mend}
}

// Findings are what the checks judge.
type Findings struct {
	DataDir DataDir
	Member  Member
	Agent   Agent
	Servers []Server
	Ollama  Ollama
	Host    survey.Host
	Nodes   []Node
}

// DataDir is the agent's data directory.
type DataDir struct {
	Path     string
	Missing  bool
	Writable error // why it, or the folder in which it would be made, cannot be written to
	Disk     survey.Disk
}

// Member is what the agent knows of its membership.
type Member struct {
	Joined   bool
	Name, ID string
	Err      error // why that cannot be read
	HasToken bool  // a token is configured
	KeyErr   error // what is wrong with the key
	KeyMode  uint32
	NoKey    bool
}

// Agent is the one that runs, if any.
type Agent struct {
	Running   bool
	PID       int
	Connected bool
	Server    string
	Problems  []string
	OpenFiles uint64 // the most that it may have open; 0 is not known

	GPUs       string // how it reads them, as it tells the control plane
	GPUMessage string // a sentence for that
}

// Server is one address of the control plane.
type Server struct {
	URL   string
	Sight uplink.Sight
	Err   error
}

// Ollama is how the agent's Ollama is set up, beside what was found of it.
type Ollama struct {
	Mode        string // as configured
	Bin         string // the program that would be started; "" where there is none
	NumParallel int    // as configured
	MemoryLimit uint64 // of its control group in bytes; 0 is none, or not known
	OpenFiles   uint64 // the most that it may have open; 0 is not known
}

// Node is a file by which programs reach a driver.
type Node struct {
	Path string
	Err  error // why it cannot be used
}

// Examine judges the findings at a time.
func Examine(f *Findings, now time.Time) []Check {
	checks := []Check{f.dataDir(), f.key(), f.membership(), f.agent()}
	checks = append(checks, f.servers(now)...)
	checks = append(checks, f.clock())
	checks = append(checks, f.ollama()...)
	return append(checks, f.openFiles(), f.driver(), f.gpuReadings())
}
