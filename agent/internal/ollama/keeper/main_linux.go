package keeper

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/corral-fleet/corral/agent/internal/ollama/procs"
)

const (
	maxSpecBytes = 1 << 20
	stuckAfter   = 5 * time.Second // from SIGKILL to telling that it does not help

	// lookAgain lies between two looks at the process table. What was killed may
	// have had a child meanwhile, of which no event would tell.
	lookAgain = 2 * time.Millisecond
)

// Main is the keeper: it reads a spec and then orders from the agent, runs the
// program until it ends, and returns an exit status once nothing of the program
// is left. It must be called by the main goroutine of a process that does
// nothing else.
func Main(orders, reports *os.File) int {
	// The kernel ends the program when the *thread* that started it ends.
	runtime.LockOSThread()
	// The program must not inherit the pipes: an orphan would hold them open.
	unix.CloseOnExec(int(orders.Fd()))
	unix.CloseOnExec(int(reports.Fd()))

	lines := bufio.NewReaderSize(orders, maxSpecBytes)
	var spec Spec
	if err := readSpec(lines, &spec); err != nil {
		fmt.Fprintln(os.Stderr, "this is started by the agent alone:", err)
		return 2
	}
	k := &keeper{spec: spec, reports: reports, ended: make(chan struct{})}
	if err := k.start(); err != nil {
		k.tell(report{Kind: reportFailed, Error: err.Error()})
		return 1
	}
	k.tell(report{Kind: reportStarted, PID: k.pid})
	go k.obey(lines)
	exit := k.wait()
	close(k.ended)
	exit.Left = k.clear()
	k.tell(report{Kind: reportExited, Exit: &exit})
	return 0
}

func readSpec(lines *bufio.Reader, spec *Spec) error {
	line, err := lines.ReadSlice('\n')
	if err != nil {
		return fmt.Errorf("read what to run: %w", err)
	}
	if err := json.Unmarshal(line, spec); err != nil {
		return fmt.Errorf("read what to run: %w", err)
	}
	return nil
}

type keeper struct {
	spec  Spec
	group group
	pid   int
	fd    int           // descriptor of the program's process; -1 where the kernel has none
	ended chan struct{} // closed when the program has

	telling sync.Mutex
	reports io.Writer
}

func (k *keeper) tell(r report) {
	line, err := json.Marshal(r)
	if err != nil {
		panic(err) // no value of this type can fail
	}
	k.telling.Lock()
	defer k.telling.Unlock()
	_, _ = k.reports.Write(append(line, '\n')) // an agent that is gone needs no report
}

func (k *keeper) start() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("adopt orphans: %w", err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	attr := &syscall.ProcAttr{
		Dir:   k.spec.Dir,
		Env:   append(k.spec.Env, ownerVariable+"="+k.spec.Owner),
		Files: []uintptr{null.Fd(), 1, 2},
		Sys:   &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	}
	argv := append([]string{k.spec.Path}, k.spec.Args...)
	if g, ok := groupOf(k.spec.Owner); ok && !k.spec.NoGroup {
		if fd, ok := g.open(); ok {
			defer unix.Close(fd)
			attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, fd
			if k.pid, err = syscall.ForkExec(k.spec.Path, argv, attr); err == nil {
				k.group = g
				k.hold()
				return nil
			}
			g.remove() // the group may be the very reason; without it we see
			attr.Sys.UseCgroupFD = false
		}
	}
	if k.pid, err = syscall.ForkExec(k.spec.Path, argv, attr); err != nil {
		return fmt.Errorf("start %s: %w", k.spec.Path, err)
	}
	k.hold()
	return nil
}

// hold takes a descriptor of the program's process while its number can't have
// been given to another: it has not been collected yet.
func (k *keeper) hold() {
	var err error
	if k.fd, err = unix.PidfdOpen(k.pid, 0); err != nil {
		k.fd = -1
	}
}

// terminate asks the program to end.
func (k *keeper) terminate() {
	if k.fd >= 0 {
		unix.PidfdSendSignal(k.fd, unix.SIGTERM, nil, 0)
		return
	}
	unix.Kill(k.pid, unix.SIGTERM)
}

// kill ends whatever lives below us.
func (k *keeper) kill() {
	k.group.kill()
	below, err := procs.Descendants(os.Getpid())
	if err != nil {
		return // tried again until nothing is left
	}
	for _, p := range below {
		p.Signal(unix.SIGKILL)
	}
}

// obey follows the agent's orders until the agent is gone, which is an order as well.
func (k *keeper) obey(lines *bufio.Reader) {
	ends := make(chan os.Signal, 1)
	// An interrupt or a hang-up of a terminal is the agent's to deal with.
	signal.Notify(make(chan os.Signal, 1), unix.SIGINT, unix.SIGHUP)
	signal.Notify(ends, unix.SIGTERM)
	go func() {
		<-ends
		k.end(k.spec.OrphanGrace)
	}()
	for {
		order, err := lines.ReadString('\n')
		switch {
		case err != nil:
			k.end(k.spec.OrphanGrace)
			return
		case order == orderStop+"\n":
			go k.end(k.spec.StopGrace)
		case order == orderKill+"\n":
			go k.end(0)
		}
	}
}

// end asks the program to end, ends it by force after a grace, and tells when
// that did not help. What a program that has ended leaves is [keeper.clear]'s.
func (k *keeper) end(grace time.Duration) {
	if grace > 0 {
		k.terminate()
		if k.endsWithin(grace) {
			return
		}
	}
	k.kill()
	if k.endsWithin(stuckAfter) {
		return
	}
	if left := k.left(); len(left) > 0 {
		k.tell(report{Kind: reportStuck, Left: left})
	}
}

func (k *keeper) endsWithin(d time.Duration) bool {
	limit := time.NewTimer(d)
	defer limit.Stop()
	select {
	case <-k.ended:
		return true
	case <-limit.C:
		return false
	}
}

func (k *keeper) left() []int {
	below, err := procs.Descendants(os.Getpid())
	if err != nil {
		return nil
	}
	var pids []int
	for _, p := range below {
		pids = append(pids, p.PID)
	}
	return pids
}

// wait collects children, the adopted ones too, until the program has ended.
func (k *keeper) wait() Exit {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil: // no child at all: somebody else collected it
			return Exit{Code: -1}
		case pid != k.pid:
			continue
		case status.Signaled():
			return Exit{Code: -1, Signal: status.Signal().String()}
		default:
			return Exit{Code: status.ExitStatus()}
		}
	}
}

// clear ends and collects all that the program left, and returns what could not
// be ended. Every orphan became our child, so to have none is proof.
func (k *keeper) clear() (left []int) {
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for deadline := time.Now().Add(stuckAfter); time.Now().Before(deadline); <-again.C {
		k.kill()
		for {
			pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
			if err == unix.ECHILD {
				k.group.remove()
				return nil
			}
			if pid <= 0 && err != unix.EINTR {
				break
			}
		}
	}
	return k.left()
}
