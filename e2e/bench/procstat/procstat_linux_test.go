package procstat

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	stat := "4242 (a) (b c) S 1 4242 4242 0 -1 4194304 901 0 0 0 123 45 0 0 20 0 9 0 1000 1 2\n"
	status := "Name:\ta\nVmRSS:\t   14336 kB\nRssAnon:\t    6144 kB\nRssFile:\t    8192 kB\nThreads:\t9\n"
	got, err := parse([]byte(stat), []byte(status))
	if err != nil {
		t.Fatal(err)
	}
	want := Usage{Name: "a) (b c", CPU: 1680 * time.Millisecond, RSS: 14 << 20, RSSAnon: 6 << 20, RSSFile: 8 << 20, Threads: 9}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, c := range [][2]string{{"", status}, {"1 (a) S 1", status}, {stat, "Name:\ta\n"}, {stat, "VmRSS:\n"}} {
		if u, err := parse([]byte(c[0]), []byte(c[1])); err == nil {
			t.Errorf("%q was read as %+v", c, u)
		}
	}
}

func TestWatchSeesWorkAndItsAbsence(t *testing.T) {
	f := func(script string, low, high float64) {
		t.Helper()
		cmd := exec.Command("sh", "-c", script)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer cmd.Wait()
		defer cmd.Process.Kill()
		load, err := Watch(context.Background(), cmd.Process.Pid, 500*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		if p := load.CorePercent(); p < low || p > high {
			t.Errorf("%s: %.1f%% of a core, want %v to %v", script, p, low, high)
		}
		if load.PeakRSS == 0 || load.Last.RSS > load.PeakRSS {
			t.Errorf("%s: %+v", script, load)
		}
	}
	f("exec sleep 600", 0, 5)
	f("while :; do :; done", 10, 110) // a busy machine gives it little
}

func TestCPUTimeHasTheChildrenThatEnded(t *testing.T) {
	cmd := exec.Command("sh", "-c", "timeout 0.3 sh -c 'while :; do :; done'; echo; exec sleep 600")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	own, err := Read(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if _, used, err := CPUTime(cmd.Process.Pid); err != nil || used < own.CPU+20*time.Millisecond {
		t.Errorf("with its children it used %v, and by itself %v, %v", used, own.CPU, err)
	}
	if _, _, err := CPUTime(1 << 30); err == nil {
		t.Error("a process that isn't there has CPU time")
	}
}

func TestGrowthIsOfTheMedians(t *testing.T) {
	steady, grown := Load{RSS: []uint64{100}}, Load{}
	for i := range uint64(100) {
		steady.RSS = append(steady.RSS, 100+i%10) // it wanders
		grown.RSS = append(grown.RSS, 100+i)
	}
	steady.RSS[5], steady.RSS[95] = 900, 1 // and one reading says little
	if g := steady.GrowthPercent(); g < -5 || g > 5 {
		t.Errorf("what wanders has grown by %.1f%%", g)
	}
	if g := grown.GrowthPercent(); g < 80 || g > 95 {
		t.Errorf("what went from 100 to 199 has grown by %.1f%%", g)
	}
	if g := (Load{RSS: []uint64{7}}).GrowthPercent(); g != 0 {
		t.Errorf("a single reading has grown by %.1f%%", g)
	}
}

func TestWatchOfAProcessThatIsGone(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if _, err := Watch(context.Background(), cmd.Process.Pid, time.Second); err == nil {
		t.Error("a process that has ended was watched")
	}
}

func TestTreeHasTheChildren(t *testing.T) {
	cmd := exec.Command("sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	pids, err := Tree(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if pids[0] != os.Getpid() || !slices.Contains(pids, cmd.Process.Pid) {
		t.Errorf("the tree of %d is %v, without %d", os.Getpid(), pids, cmd.Process.Pid)
	}
}
