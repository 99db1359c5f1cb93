// Package doctor judges what was found out about a control plane: each check with
// its evidence and, where something is wrong, with what mends it. It finds out
// nothing itself and changes nothing.
package doctor

import (
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/pki"
	"github.com/corral-fleet/corral/controlplane/internal/sqlite"
	"github.com/corral-fleet/corral/sdk/checkup"
)

// Findings are what the checks judge.
type Findings struct {
	DataDir   DataDir
	Files     []sqlite.File
	Authority pki.File
	Server    pki.File // the server certificate
	Run       Run
	Address   Address
	Settings  Settings
	OpenFiles uint64 // the most that the server may have open; 0 is not known
	Clock     Clock
	Hosts     []sqlite.HostRecord
}

// DataDir is the control plane's data directory.
type DataDir struct {
	Path      string
	Missing   bool
	Writable  error  // why it, or the folder in which it would be made, cannot be written to
	FreeBytes uint64 // on its file system
	Remote    string // the kind of that, where it is a network's; "" is a local one
}

// Run is the server that runs, and what was noted of the last one.
type Run struct {
	Running   bool
	PID       int    // 0 is not known
	Program   string // the version of the one that looks
	Version   string // of the last run; "" is that there was none
	StartedAt time.Time
	Killed    time.Time // when a run was found to have come to no end of its own; zero is never
	KilledRun time.Time // when that one had started
}

// Address is where the server listens, or would.
type Address struct {
	HostPort string
	Err      error         // why it does not answer as ours or, where no server runs, can't be listened at
	Took     time.Duration // to the answer; 0 where no server runs
}

// Settings are those in effect from the next start on.
type Settings struct {
	Saved          error // what is wrong with those that were saved
	MaxConnections int
	Pending        []Pending
}

// Pending is a setting that counts from the next start on.
type Pending struct{ Path, Now, Next string }

// Clock is what is known of the machine's clock.
type Clock struct {
	Known, Kept bool      // it is known whether something keeps it; something does
	Newest      time.Time // of what is stored
}

// Examine judges the findings at a time.
func Examine(f *Findings, now time.Time) []checkup.Check {
	checks := []checkup.Check{f.dataDir()}
	if f.DataDir.Missing {
		return append(checks, f.address())
	}
	for i := range f.Files {
		checks = append(checks, database(&f.Files[i], f.Run.Running))
	}
	checks = append(checks, f.authority(now), f.certificate(now), f.server(), f.address(), f.lastStop(now))
	return append(checks, f.saved(), f.pending(), f.openFiles(), f.clock(now), f.hosts(now))
}

func ok(name, evidence string) checkup.Check {
	return checkup.Check{Name: name, Status: checkup.OK, Evidence: evidence}
}

func warning(name, evidence, mend string) checkup.Check {
	return checkup.Check{Name: name, Status: checkup.Warning, Evidence: evidence, Mend: mend}
}

func failed(name, evidence, mend string) checkup.Check {
	return checkup.Check{Name: name, Status: checkup.Failed, Evidence: evidence, Mend: mend}
}
