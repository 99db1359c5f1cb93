package main

import (
	"errors"
	"io/fs"
	"syscall"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/procstat"
)

// cpu is CPU time since the start of processes, those included that have ended.
type cpu struct {
	server time.Duration // the control plane and its plugins
	agent  time.Duration // and its workers
	ollama time.Duration
}

func (c cpu) less(b cpu) cpu {
	return cpu{c.server - b.server, c.agent - b.agent, c.ollama - b.ollama}
}

// cpu returns that of the control plane and of a host.
func (s *scene) cpu(h *host) (cpu, error) {
	server, err := cpuOf(s.cp.PID())
	if err != nil {
		return cpu{}, err
	}
	c, err := cpuOf(h.agent.PID())
	c.server = server.agent
	return c, err
}

// cpuOf returns the CPU time of a process and of all below it, which is an Ollama's or the
// agent's.
func cpuOf(pid int) (c cpu, err error) {
	pids, err := procstat.Tree(pid)
	if err != nil {
		return c, err
	}
	for _, pid := range pids {
		name, used, err := procstat.CPUTime(pid)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ESRCH): // it has ended, and counts as its parent's
		case err != nil:
			return c, err
		case name == "ollama":
			c.ollama += used
		default:
			c.agent += used
		}
	}
	return c, nil
}
