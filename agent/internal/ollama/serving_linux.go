package ollama

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/corral-fleet/corral/agent/internal/ollama/procs"
)

// searchEvery is how often a process that was not found is searched for. It
// takes a look at every open file of the machine that we may see.
const searchEvery = 10 * time.Second

// serving is the process of an Ollama that serves at an address of this machine.
// One that is not ours is found by its socket, where the kernel lets us see it.
// It may be used concurrently.
type serving struct {
	at string // host:port

	mu       sync.Mutex
	found    procs.Process
	searched time.Time
}

// servedBy is the serving of a child of ours.
func servedBy(pid int, at string) *serving {
	s := &serving{at: at}
	s.found, _ = procs.Read(pid) // one that has ended is told of elsewhere
	return s
}

// process returns the process, and false where it is not known.
func (s *serving) process() (procs.Process, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.found.PID != 0 {
		if now, err := procs.Read(s.found.PID); err == nil && now.Start == s.found.Start && now.Running() {
			return s.found, true
		}
		s.found, s.searched = procs.Process{}, time.Time{}
	}
	if now := time.Now(); now.Sub(s.searched) >= searchEvery {
		s.searched = now
		if addr, err := netip.ParseAddrPort(s.at); err == nil && onThisMachine(addr.Addr()) {
			s.found, _ = procs.Listener(addr) // without one it stays unknown
		}
	}
	return s.found, s.found.PID != 0
}

// searchAgain has a process that was not found be searched for at the next
// opportunity: something answers there that did not before.
func (s *serving) searchAgain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.found.PID == 0 {
		s.searched = time.Time{}
	}
}

// onThisMachine reports whether an address is one of this machine's own. A
// process here that listens on the same port everywhere has nothing to do with an
// Ollama on another machine.
func onThisMachine(ip netip.Addr) bool {
	if ip.IsLoopback() {
		return true
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range own {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().Unmap() == ip.Unmap() {
			return true
		}
	}
	return false
}
