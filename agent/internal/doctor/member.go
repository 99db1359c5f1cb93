package doctor

import (
	"fmt"
	"strings"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// leastFree is how much has to be free for the agent's own files.
const leastFree = 256 << 20

func (f *Findings) dataDir() Check {
	const name = "data directory"
	d := &f.DataDir
	switch {
	case d.Writable != nil:
		return failed(name, fmt.Sprintf("%s cannot be written to: %v", d.Path, d.Writable), "run this as the agent's user, or give the directory to that user")
	case d.Disk.FreeBytes < leastFree:
		return failed(name, fmt.Sprintf("%s has %s free", d.Path, size(d.Disk.FreeBytes)), "make room on its disk")
	case d.Missing:
		return ok(name, d.Path+" is not there yet; it is made when the host joins")
	}
	return ok(name, fmt.Sprintf("%s, %s free", d.Path, size(d.Disk.FreeBytes)))
}

func (f *Findings) key() Check {
	const name = "key"
	m := &f.Member
	switch {
	case m.NoKey && m.Joined:
		return failed(name, "the host has joined, and its key is missing", "restore agent.key from a backup, or remove joined.json and join as a new host")
	case m.NoKey:
		return ok(name, "none yet; it is made when the host joins")
	case m.KeyErr != nil:
		return failed(name, fault.MessageOf(m.KeyErr), "restore agent.key from a backup, or remove it and joined.json and join as a new host")
	case m.KeyMode&0o077 != 0:
		return failed(name, fmt.Sprintf("other users can read it (mode %04o); who has it has the host", m.KeyMode), "chmod 600 agent.key")
	}
	return ok(name, "Ed25519, readable by its owner alone")
}

func (f *Findings) membership() Check {
	const name = "membership"
	m := &f.Member
	switch {
	case m.Err != nil:
		return failed(name, fault.MessageOf(m.Err), "restore joined.json from a backup, or remove it and join again; the key makes it the same host")
	case m.Joined:
		return ok(name, fmt.Sprintf("joined as %s (%s)", m.Name, m.ID))
	case m.HasToken:
		return warning(name, "not joined; a token is configured", "corral-agent run joins with it, or corral-agent join")
	}
	return failed(name, "not joined", "corral-agent join --server HOST:11435 --token …")
}

func (f *Findings) agent() Check {
	const name = "agent"
	a := &f.Agent
	switch {
	case !a.Running:
		return warning(name, "no agent runs with this data directory", "corral-agent run")
	case !a.Connected:
		return failed(name, fmt.Sprintf("process %d runs and is not connected: %s", a.PID, strings.Join(a.Problems, "; ")), "see the checks of the control plane below, and the agent's log")
	case len(a.Problems) > 0:
		return warning(name, fmt.Sprintf("process %d is connected to %s, and says: %s", a.PID, a.Server, strings.Join(a.Problems, "; ")), "see its log")
	}
	return ok(name, fmt.Sprintf("process %d is connected to %s", a.PID, a.Server))
}

// expiresSoon is when a certificate should have been renewed.
const expiresSoon = 30 * 24 * time.Hour

func (f *Findings) servers(now time.Time) []Check {
	if len(f.Servers) == 0 {
		return []Check{failed("control plane", "no address is known", "name one with --server, or join")}
	}
	checks := make([]Check, 0, len(f.Servers))
	for i := range f.Servers {
		checks = append(checks, f.Servers[i].check(now))
	}
	return checks
}

func (s *Server) check(now time.Time) Check {
	name := "control plane " + s.URL
	if s.Err != nil {
		return failed(name, s.Err.Error(), "is it running, is the address right, and does every firewall and proxy on the way let it through? "+
			"A certificate that does not fit means that something else answers there, or that TLS ends before the control plane (see server_ca_file)")
	}
	took := s.Sight.Took.Round(time.Millisecond)
	cert := s.Sight.Certificate
	if cert == nil {
		return ok(name, fmt.Sprintf("answers in %v, without TLS", took))
	}
	evidence := fmt.Sprintf("answers in %v, proved by %q of %q until %s", took, cert.Subject.CommonName, cert.Issuer.CommonName, cert.NotAfter.UTC().Format(time.DateOnly))
	if cert.NotAfter.Sub(now) < expiresSoon {
		return warning(name, evidence, "the certificate ends soon; a control plane renews its own, so look at its log, or at the proxy's certificate")
	}
	return ok(name, evidence)
}

// clockTolerance is what the control plane takes as right.
const clockTolerance = 5 * time.Second

func (f *Findings) clock() Check {
	const name = "clock"
	for i := range f.Servers {
		s := &f.Servers[i]
		if s.Err != nil {
			continue
		}
		off := s.Sight.ClockOffset.Round(10 * time.Millisecond)
		evidence := fmt.Sprintf("%v from the control plane's", off)
		if off.Abs() > clockTolerance {
			return failed(name, evidence, "have both machines keep time by NTP (timedatectl set-ntp true)")
		}
		return ok(name, evidence)
	}
	return warning(name, "not compared: no control plane answers", "see the checks of the control plane")
}

// size is a number of bytes as people read it.
func size(n uint64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d bytes", n)
}
