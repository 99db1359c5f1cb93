package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/checkup"
	"github.com/corral-fleet/corral/sdk/fault"
)

func (f *Findings) server() checkup.Check {
	const name = "server"
	r := &f.Run
	if !r.Running {
		return warning(name, "none serves from this data directory", "corral-controlplane serve")
	}
	evidence := fmt.Sprintf("process %d serves, version %s, since %s", r.PID, r.Version, r.StartedAt.UTC().Format(time.RFC3339))
	switch {
	case r.Version == "":
		return warning(name, fmt.Sprintf("process %d has the directory, and does not say that it listens", r.PID), "wait until it has started; its log says what it waits for")
	case r.Version != r.Program:
		return warning(name, fmt.Sprintf("%s; this program is version %s", evidence, r.Program), "restart it, if it is to be upgraded")
	}
	return ok(name, evidence)
}

func (f *Findings) address() checkup.Check {
	const name = "address"
	a := &f.Address
	switch {
	case f.Run.Running && a.Err != nil:
		return failed(name, fmt.Sprintf("the server does not answer at %s: %v", a.HostPort, a.Err), "see its log; is the machine out of memory, files or processor time?")
	case f.Run.Running:
		return ok(name, fmt.Sprintf("%s answers with our certificate in %v", a.HostPort, a.Took.Round(time.Millisecond)))
	case a.Err != nil:
		return failed(name, fault.MessageOf(a.Err), "stop what listens there, or choose another address with --listen HOST:PORT")
	}
	return ok(name, a.HostPort+" is free")
}

// remembered is for how long a run that was killed is worth a warning.
const remembered = 7 * 24 * time.Hour

func (f *Findings) lastStop(now time.Time) checkup.Check {
	const name = "last stop"
	r := &f.Run
	switch {
	case r.Killed.IsZero():
		return ok(name, "no run is known that was killed or crashed")
	case now.Sub(r.Killed) > remembered:
		return ok(name, fmt.Sprintf("the last run that was killed or crashed was followed by another on %s", r.Killed.UTC().Format(time.DateOnly)))
	}
	started := "one"
	if !r.KilledRun.IsZero() {
		started = "the one that started at " + r.KilledRun.UTC().Format(time.RFC3339)
	}
	return warning(name, fmt.Sprintf("a run was killed or crashed, %s; found at %s", started, r.Killed.UTC().Format(time.RFC3339)),
		"the end of its log says why, or the kernel's log where memory ran out; nothing that was acknowledged is lost by it")
}

func (f *Findings) saved() checkup.Check {
	const name = "saved settings"
	if err := f.Settings.Saved; err != nil {
		return failed(name, strings.ReplaceAll(err.Error(), "\n", "; "), "give the field another value in the file, the environment or by a flag, which counts for more, or save it anew")
	}
	return ok(name, "valid beside the others")
}

func (f *Findings) pending() checkup.Check {
	const name = "settings that need a restart"
	if len(f.Settings.Pending) == 0 {
		return ok(name, "none is pending")
	}
	var list []string
	for _, p := range f.Settings.Pending {
		list = append(list, fmt.Sprintf("%s is %s, and %s from the next start on", p.Path, p.Now, p.Next))
	}
	return warning(name, strings.Join(list, "; "), "restart the control plane; agents are back within seconds")
}

// spareFiles are what a server has open beside connections, and for a hundred
// streams of the dashboard or so.
const spareFiles = 256

func (f *Findings) openFiles() checkup.Check {
	const name = "open files"
	if f.OpenFiles == 0 {
		return ok(name, "no limit can be seen")
	}
	wanted := uint64(len(f.Hosts) + f.Settings.MaxConnections + spareFiles)
	evidence := fmt.Sprintf("%d may be open, for %d agents and %d callers", f.OpenFiles, len(f.Hosts), f.Settings.MaxConnections)
	if f.Settings.MaxConnections == 0 {
		evidence = fmt.Sprintf("%d may be open, for %d agents and any number of callers", f.OpenFiles, len(f.Hosts))
	}
	if f.OpenFiles < wanted {
		return warning(name, evidence, fmt.Sprintf("LimitNOFILE=%d or more in its unit, or a smaller server.max_connections", wanted))
	}
	return ok(name, evidence)
}

// clockTolerance is by how much what is stored may be ahead.
const clockTolerance = time.Minute

func (f *Findings) clock(now time.Time) checkup.Check {
	const name = "clock"
	const mend = "have the machine keep time by NTP (timedatectl set-ntp true)"
	switch ahead := f.Clock.Newest.Sub(now); {
	case ahead > clockTolerance:
		return failed(name, fmt.Sprintf("what is stored was written %v in the future, so the clock was set back, or was wrong then", ahead.Round(time.Second)), mend)
	case !f.Clock.Known:
		return ok(name, "nothing that is stored is from the future; what keeps it cannot be seen")
	case !f.Clock.Kept:
		return warning(name, "nothing keeps it in time", mend)
	}
	return ok(name, "it is kept in time, and nothing that is stored is from the future")
}

const (
	// connectedFor is how old the last word of a host may be that is connected.
	connectedFor = time.Minute
	named        = 5 // of the hosts that are missing
)

func (f *Findings) hosts(now time.Time) checkup.Check {
	const name = "hosts"
	if len(f.Hosts) == 0 {
		return ok(name, "none has joined yet")
	}
	var heard, pending, asleep, stopped int
	var missing []string
	sessions, most := int64(0), &f.Hosts[0]
	for i := range f.Hosts {
		h := &f.Hosts[i]
		sessions += h.Sessions
		if h.Sessions > most.Sessions {
			most = h
		}
		switch {
		case h.Pending:
			pending++
		case h.Parted == fleet.HostAsleep:
			asleep++
		case h.Parted == fleet.HostStopped:
			stopped++
		case now.Sub(h.HeardAt) <= connectedFor:
			heard++
		default:
			missing = append(missing, h.Name)
		}
	}
	evidence := fmt.Sprintf("of %d, %d were heard within a minute, %d not, %d are asleep, %d stopped, %d pending; they connected %d times, %s the most, %d times",
		len(f.Hosts), heard, len(missing), asleep, stopped, pending, sessions, most.Name, most.Sessions)
	if !f.Run.Running || len(missing) == 0 {
		return ok(name, evidence)
	}
	slices.Sort(missing)
	if rest := len(missing) - named; rest > 0 {
		missing = append(missing[:named], fmt.Sprintf("%d more", rest))
	}
	return warning(name, fmt.Sprintf("%s; missing: %s", evidence, strings.Join(missing, ", ")),
		"corral-agent doctor there says why; corral host remove forgets a host that will not be back")
}
