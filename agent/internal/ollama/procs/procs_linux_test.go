package procs

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// sleeper starts a process that lives until its standard input closes.
func sleeper(t *testing.T, env ...string) (*exec.Cmd, io.Closer) {
	t.Helper()
	cmd := exec.Command("/bin/cat")
	cmd.Env = env
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Wait() // a second Wait, after the test's own, returns at once
	})
	return cmd, in
}

func TestParseStatTakesAnyProgramName(t *testing.T) {
	p, err := parseStat([]byte("42 (a ) (b) S 7 42 42 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 98765 0 0\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := Process{PID: 42, Parent: 7, Start: 98765, State: 'S', Name: "a ) (b"}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Error(diff)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("42 (a) S 7 42 42 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 98765 0 0\n"))
	f.Add([]byte(")("))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := parseStat(b); err != nil && p != (Process{}) {
			t.Errorf("parseStat(%q) = %v with %v", b, p, err)
		}
	})
}

func TestChildrenAndDescendants(t *testing.T) {
	cmd, _ := sleeper(t)
	for name, list := range map[string]func(int) ([]Process, error){"Children": Children, "Descendants": Descendants} {
		got, err := list(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if !contains(got, cmd.Process.Pid) {
			t.Errorf("%s does not list the child %d: %v", name, cmd.Process.Pid, got)
		}
	}
}

func TestMarkedFindsTheMarkAlone(t *testing.T) {
	with, _ := sleeper(t, "CORRAL_TEST_MARK=here")
	without, _ := sleeper(t, "CORRAL_TEST_MARK=here2")
	got, err := Marked("CORRAL_TEST_MARK=here")
	if err != nil {
		t.Fatal(err)
	}
	if !contains(got, with.Process.Pid) || contains(got, without.Process.Pid) {
		t.Errorf("Marked = %v, want %d and not %d", got, with.Process.Pid, without.Process.Pid)
	}
}

func TestMarkedSparesTheCaller(t *testing.T) {
	self, err := Read(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	path := "PATH=" + os.Getenv("PATH")
	if !self.hasEnv(path) {
		t.Fatalf("this test does not see its own %s", path)
	}
	got, err := Marked(path)
	if err != nil {
		t.Fatal(err)
	}
	if contains(got, os.Getpid()) || contains(got, os.Getppid()) {
		t.Errorf("Marked lists the caller or its parent: %v", got)
	}
}

func TestSignalSparesTheNextBearerOfTheNumber(t *testing.T) {
	cmd, in := sleeper(t)
	p, err := Read(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	former := p
	former.Start--
	if err := former.Signal(unix.SIGKILL); !errors.Is(err, ErrGone) {
		t.Errorf("Signal to a former bearer = %v, want ErrGone", err)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("the process was hit: %v", err)
	}
	if err := p.Signal(unix.SIGKILL); !errors.Is(err, ErrGone) {
		t.Errorf("Signal to a process that ended = %v, want ErrGone", err)
	}
}

func TestListener(t *testing.T) {
	for _, on := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::]:0"} {
		l, err := net.Listen("tcp", on)
		if err != nil {
			t.Fatal(err)
		}
		port := uint16(l.Addr().(*net.TCPAddr).Port)
		addr := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
		if p, ok := Listener(addr); !ok || p.PID != os.Getpid() {
			t.Errorf("Listener(%s) = %v %v, want this process, which listens on %s", addr, p, ok, on)
		}
		l.Close()
		if p, ok := Listener(addr); ok {
			t.Errorf("Listener(%s) = %v after the socket was closed", addr, p)
		}
	}
}

func contains(list []Process, pid int) bool {
	for _, p := range list {
		if p.PID == pid {
			return true
		}
	}
	return false
}

func TestParseActivity(t *testing.T) {
	stat := []byte("42 (a ) (b) S 7 42 42 0 -1 4194304 1 0 13 0 250 50 0 0 20 0 9 0 98765 1000000 777 184467 1 1\n")
	got, err := parseActivity(stat)
	want := Activity{CPU: 3 * time.Second, Faults: 13, Resident: 777}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if _, err := parseActivity([]byte("42 (a) S 7 42\n")); err == nil {
		t.Error("a row that is cut short is no error")
	}
}

func TestActivityTellsWorkFromRest(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", "read go; while :; do :; done")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	p, err := Read(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	await := func(what string, ok func(Activity) bool) Activity {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			a, err := p.Activity()
			if err != nil {
				t.Fatal(err)
			}
			if ok(a) {
				return a
			}
			if time.Now().After(deadline) {
				t.Fatalf("it is not %s: %+v", what, a)
			}
		}
	}
	rest := await("at rest", func(a Activity) bool { return !a.Busy && !a.Stopped })
	if _, err := io.WriteString(in, "\n"); err != nil {
		t.Fatal(err)
	}
	await("at work", func(a Activity) bool { return a.Busy && a.CPU >= rest.CPU+50*time.Millisecond })
	if err := p.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	stopped := await("stopped", func(a Activity) bool { return a.Stopped && !a.Busy })
	if err := p.Signal(unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	await("at work again", func(a Activity) bool { return a.CPU > stopped.CPU })
	former := p
	former.Start--
	if _, err := former.Activity(); !errors.Is(err, ErrGone) {
		t.Errorf("the activity of a former bearer of the number: %v, want ErrGone", err)
	}
}

func TestHasOpen(t *testing.T) {
	self, err := Read(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	f, err := os.Create(dir + "/open")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for path, want := range map[string]bool{dir: true, dir + "/open": true, dir + "/op": false, "/dev/kfd": false} {
		if got, err := self.HasOpen(path); err != nil || got != want {
			t.Errorf("HasOpen(%s) = %v, %v, want %v", path, got, err, want)
		}
	}
	if _, err := (Process{PID: 1 << 30}).HasOpen(dir); err == nil {
		t.Error("the files of a process that isn't there are no error")
	}
}
