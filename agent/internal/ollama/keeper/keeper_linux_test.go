package keeper

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/corral-fleet/corral/agent/internal/ollama/procs"
)

// roleAgent is the subcommand under which the test program plays an agent that
// runs a script until it is killed.
const roleAgent = "test-agent"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case Subcommand:
			os.Exit(Main(os.Stdin, os.NewFile(ReportFD, "reports")))
		case roleAgent:
			os.Exit(playAgent(os.Args[2], os.Args[3]))
		}
	}
	os.Exit(m.Run())
}

func playAgent(owner, script string) int {
	if _, err := Start([]string{"/proc/self/exe", Subcommand}, shell(owner, script), os.Stdout); err != nil {
		fmt.Println("start:", err)
		return 1
	}
	io.Copy(io.Discard, os.Stdin)
	return 0
}

// command runs this very program as a keeper, without the second that the race
// detector otherwise sleeps before the process ends.
func command() []string {
	return []string{"/usr/bin/env", "GORACE=atexit_sleep_ms=0", testProgram(), Subcommand}
}

func testProgram() string {
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return path
}

// family is a program that has a child and a grandchild, one of them in a session of its own.
const family = `setsid sh -c 'sleep 1000 & echo up; wait' & wait`

func shell(owner, script string) Spec {
	return Spec{
		Owner: owner, Path: "/bin/sh", Args: []string{"-c", script}, Env: os.Environ(), Dir: "/",
		StopGrace: 10 * time.Second, OrphanGrace: 500 * time.Millisecond,
	}
}

// output collects what a program writes, and lets a test wait for a line of it.
type output struct {
	mu    sync.Mutex
	text  bytes.Buffer
	lines chan string
}

func newOutput() *output { return &output{lines: make(chan string, 100)} }

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for c := range bytes.SplitSeq(b, nil) {
		o.text.Write(c)
		if c[0] == '\n' {
			o.lines <- strings.TrimSuffix(o.text.String(), "\n")
			o.text.Reset()
		}
	}
	return len(b), nil
}

func (o *output) await(t *testing.T, line string) {
	t.Helper()
	for timeout := time.After(20 * time.Second); ; {
		select {
		case got := <-o.lines:
			if got == line {
				return
			}
		case <-timeout:
			t.Fatalf("the program did not write %q", line)
		}
	}
}

func start(t *testing.T, spec Spec) (*Child, *output) {
	t.Helper()
	out := newOutput()
	c, err := Start(command(), spec, out)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Kill()
		<-c.Done()
	})
	return c, out
}

func awaitExit(t *testing.T, c *Child, within time.Duration) Exit {
	t.Helper()
	select {
	case <-c.Done():
	case <-time.After(within):
		t.Fatalf("not gone after %v", within)
	}
	return c.Exit()
}

func running(t *testing.T, owner string) []procs.Process {
	t.Helper()
	marked, err := procs.Marked(ownerVariable + "=" + owner)
	if err != nil {
		t.Fatal(err)
	}
	return marked
}

// mustBeGone waits for the end of all of an owner's processes.
func mustBeGone(t *testing.T, owner string, within time.Duration) {
	t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(5 * time.Millisecond) {
		left := running(t, owner)
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("left after %v: %v", within, left)
		}
	}
}

func eachKind(t *testing.T, test func(t *testing.T, spec func(script string) Spec)) {
	for _, noGroup := range []bool{false, true} {
		t.Run(fmt.Sprintf("NoGroup=%v", noGroup), func(t *testing.T) {
			owner := fmt.Sprintf("test-%d-%d", os.Getpid(), time.Now().UnixNano())
			test(t, func(script string) Spec {
				s := shell(owner, script)
				s.NoGroup = noGroup
				return s
			})
		})
	}
}

func TestTellsTheExitStatusAndEndsWhatIsLeft(t *testing.T) {
	eachKind(t, func(t *testing.T, spec func(string) Spec) {
		s := spec(`setsid sleep 1000 & echo hello; exit 3`)
		c, out := start(t, s)
		out.await(t, "hello")
		if diff := cmp.Diff(Exit{Code: 3}, awaitExit(t, c, 2*time.Second)); diff != "" {
			t.Error(diff)
		}
		if left := running(t, s.Owner); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	})
}

func TestControlGroupIsUsedWhereItCanBeAndGoesAway(t *testing.T) {
	const owner = "test-group"
	g, ok := groupOf(owner)
	if ok {
		var fd int
		if fd, ok = g.open(); ok {
			unix.Close(fd)
		}
		g.remove()
	}
	t.Logf("control groups can be made here: %v", ok)
	for _, noGroup := range []bool{false, true} {
		s := shell(owner, family)
		s.NoGroup = noGroup
		c, out := start(t, s)
		out.await(t, "up")
		in, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", c.PID()))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := strings.Contains(string(in), "corral-"+owner), ok && !noGroup; got != want {
			t.Errorf("NoGroup=%v: in a group of its own %v, want %v", noGroup, got, want)
		}
		c.Kill()
		awaitExit(t, c, 2*time.Second)
		if _, err := os.Stat(g.dir); ok && !os.IsNotExist(err) {
			t.Errorf("NoGroup=%v: the group is still there: %v", noGroup, err)
		}
	}
}

func TestNothingSurvivesTheKillOfTheProgram(t *testing.T) {
	eachKind(t, func(t *testing.T, spec func(string) Spec) {
		s := spec(family)
		c, out := start(t, s)
		out.await(t, "up")
		if n := len(running(t, s.Owner)); n < 4 {
			t.Fatalf("%d processes run, want the keeper and a family of three", n)
		}
		unix.Kill(c.PID(), unix.SIGKILL)
		if diff := cmp.Diff(Exit{Code: -1, Signal: "killed"}, awaitExit(t, c, 2*time.Second)); diff != "" {
			t.Error(diff)
		}
		if left := running(t, s.Owner); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	})
}

func TestNothingSurvivesTheKillOfTheKeeper(t *testing.T) {
	eachKind(t, func(t *testing.T, spec func(string) Spec) {
		s := spec(family)
		c, out := start(t, s)
		out.await(t, "up")
		c.Abandon()
		if diff := cmp.Diff(Exit{Code: -1, Lost: true}, awaitExit(t, c, 2*time.Second)); diff != "" {
			t.Error(diff)
		}
		if left := running(t, s.Owner); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	})
}

func TestNothingSurvivesTheKillOfTheAgent(t *testing.T) {
	for name, script := range map[string]string{
		"polite":     family,
		"deaf":       `trap "" TERM; ` + family,
		"stopped":    `echo up; kill -STOP $$`,
		"background": `sleep 1000 & echo up; wait`,
	} {
		t.Run(name, func(t *testing.T) {
			owner := fmt.Sprintf("test-%d-%s", os.Getpid(), name)
			agent := exec.Command("/proc/self/exe", roleAgent, owner, script)
			in, err := agent.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			out, err := agent.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := agent.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(out).ReadString('\n')
			agent.Process.Kill()
			agent.Wait()
			if err != nil || line != "up\n" {
				t.Errorf("the agent wrote %q, %v", line, err)
			}
			mustBeGone(t, owner, 2*time.Second)
		})
	}
}

// An agent that can't do anything stands for one that is killed together with
// the keeper: then the kernel alone ends the program.
func TestKernelEndsTheProgramOfADeadKeeper(t *testing.T) {
	const owner = "test-kernel"
	agent := exec.Command("/proc/self/exe", roleAgent, owner, `echo $PPID; while :; do sleep 0.01; done`)
	in, err := agent.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := agent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		agent.Process.Kill()
		agent.Wait()
		if left, err := Sweep(owner); err != nil || len(left) > 0 {
			t.Errorf("Sweep = %v, %v", left, err)
		}
	}()
	var keeper int
	if _, err := fmt.Fscanln(out, &keeper); err != nil {
		t.Fatal(err)
	}
	children, err := procs.Children(keeper)
	if err != nil || len(children) != 1 {
		t.Fatalf("children of the keeper: %v, %v; want the program", children, err)
	}
	if err := agent.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	unix.Kill(keeper, unix.SIGKILL)
	for deadline := time.Now().Add(2 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		now, err := procs.Read(children[0].PID)
		if err != nil || now.Start != children[0].Start || !now.Running() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the program outlives its keeper")
		}
	}
}

func TestStopIsPoliteAndThenIsNot(t *testing.T) {
	eachKind(t, func(t *testing.T, spec func(string) Spec) {
		s := spec(`trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done`)
		c, out := start(t, s)
		out.await(t, "up")
		c.Stop()
		if diff := cmp.Diff(Exit{Code: 0}, awaitExit(t, c, 5*time.Second)); diff != "" {
			t.Error(diff)
		}
		out.await(t, "bye")

		s = spec(`trap '' TERM; echo up; while :; do sleep 0.01; done`)
		s.StopGrace = 50 * time.Millisecond
		c, out = start(t, s)
		out.await(t, "up")
		c.Stop()
		if diff := cmp.Diff(Exit{Code: -1, Signal: "killed"}, awaitExit(t, c, 5*time.Second)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestKillEndsAStoppedProgram(t *testing.T) {
	eachKind(t, func(t *testing.T, spec func(string) Spec) {
		s := spec(family)
		c, out := start(t, s)
		out.await(t, "up")
		unix.Kill(c.PID(), unix.SIGSTOP)
		c.Kill()
		if diff := cmp.Diff(Exit{Code: -1, Signal: "killed"}, awaitExit(t, c, 2*time.Second)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestStartTellsWhyItCouldNot(t *testing.T) {
	s := shell("test-missing", "")
	s.Path = "/nonexistent/program"
	if _, err := Start(command(), s, io.Discard); err == nil || !strings.Contains(err.Error(), s.Path) {
		t.Errorf("Start = %v, want an error that names %s", err, s.Path)
	}
	if _, err := Start([]string{"/nonexistent/keeper"}, s, io.Discard); err == nil || !strings.Contains(err.Error(), "keeper") {
		t.Errorf("Start = %v, want an error that names the keeper", err)
	}
	if _, err := Start([]string{"/bin/true"}, s, io.Discard); err == nil {
		t.Error("Start with a keeper that is none succeeded")
	}
}

func TestSweepTouchesItsOwnerAlone(t *testing.T) {
	mine, other := shell("test-sweep-mine", family), shell("test-sweep-other", family)
	c, out := start(t, mine)
	out.await(t, "up")
	o, out := start(t, other)
	out.await(t, "up")
	if left, err := Sweep(mine.Owner); err != nil || len(left) > 0 {
		t.Errorf("Sweep = %v, %v", left, err)
	}
	awaitExit(t, c, 2*time.Second)
	if left := running(t, mine.Owner); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if n := len(running(t, other.Owner)); n < 4 {
		t.Errorf("%d processes of the other owner run, want all of them", n)
	}
	o.Stop()
	awaitExit(t, o, 5*time.Second)
}

func TestMainRefusesToBeCalledByHand(t *testing.T) {
	cmd := exec.Command("/proc/self/exe", Subcommand)
	cmd.Stdin = strings.NewReader("hello\n")
	said, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 2 || !bytes.Contains(said, []byte("agent alone")) {
		t.Errorf("exit %v, output %q; want 2 and a sentence", err, said)
	}
}
