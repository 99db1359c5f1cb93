package keeper

import (
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/corral-fleet/corral/agent/internal/ollama/procs"
)

// Sweep kills every process of our user that a keeper of this owner started, or
// that such a process started, and the keeper. It returns those that not even
// SIGKILL ended within five seconds. Nothing without the owner's mark is touched.
//
// The caller must be the owner: nobody else may be running a keeper in its name.
func Sweep(owner string) (left []int, err error) {
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	g, _ := groupOf(owner)
	killed := map[int]bool{}
	for deadline := time.Now().Add(stuckAfter); ; <-again.C {
		g.kill()
		marked, err := procs.Marked(ownerVariable + "=" + owner)
		if err != nil {
			return nil, err
		}
		late := time.Now().After(deadline)
		for _, p := range marked {
			p.Signal(unix.SIGKILL)
			killed[p.PID] = true
			if late {
				left = append(left, p.PID)
			}
		}
		if len(marked) == 0 || late {
			for pid := range killed {
				collectOrphan(pid)
			}
			g.remove()
			return left, nil
		}
	}
}

// collectOrphan collects a process that was killed if it fell to us as orphans
// do to the first process of a container, where nobody else will.
func collectOrphan(pid int) {
	if p, err := procs.Read(pid); err == nil && p.Parent == os.Getpid() {
		_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil) // what is not dead yet is collected by nobody
	}
}
