package monitor

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"github.com/corral-fleet/corral/agent/internal/gpu"
	"github.com/corral-fleet/corral/agent/internal/gpu/frame"
)

// The variables by which this program becomes something else than a test.
const (
	behaviourVariable = "FAKE_PROBE_BEHAVIOUR" // a file that says how a probe behaves
	traceeVariable    = "FAKE_PROBE_TRACEE"    // a process to hold on to
)

// framesFD is where a probe writes.
const framesFD = 3

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(traceeVariable) != "":
		holdOn()
	case os.Getenv(behaviourVariable) != "":
		fakeProbe()
	default:
		os.Exit(m.Run())
	}
}

// fakeProbe is a probe that behaves as a file says when it starts.
func fakeProbe() {
	behaviour, err := os.ReadFile(os.Getenv(behaviourVariable))
	if err != nil {
		panic(err)
	}
	out := os.NewFile(framesFD, "frames")
	w := frame.NewWriter(out)
	say := func(r gpu.Reading) {
		if err := w.Write(&r); err != nil {
			os.Exit(0)
		}
	}
	switch string(behaviour) {
	case "mute":
	case "garbage":
		out.WriteString("NVML: GPU 0: OK\n")
	case "trickle": // a frame that never becomes whole
		out.Write([]byte{0, 0, 64, 0, frame.Version})
		for {
			out.Write([]byte{0})
			time.Sleep(10 * time.Millisecond)
		}
	case "missing function":
		fmt.Fprintln(os.Stderr, "corral-gpuprobe: symbol lookup error: undefined symbol: nvmlDeviceGetUUID")
		os.Exit(127)
	case "crash":
		say(twoCards())
		var nothing *int
		*nothing = 1 // as C does in the driver's library
	case "kill":
		unix.Kill(os.Getpid(), syscall.SIGKILL)
	case "hang":
		say(twoCards())
	case "stuck":
		beHeld()
		say(twoCards())
	case "closed": // it goes on, and says no more
		say(twoCards())
		out.Close()
	case "no driver":
		for {
			say(gpu.Reading{Source: "nvml", State: gpu.NoDriver, Message: "No driver is loaded."})
			time.Sleep(20 * time.Millisecond)
		}
	case "made up":
		for {
			r := twoCards()
			r.Source = "demo"
			say(r)
			time.Sleep(20 * time.Millisecond)
		}
	case "silent processes":
		for {
			r := twoCards()
			r.Devices[1].Absent = []gpu.Absence{{Field: "processes", Reason: gpu.Unsupported}}
			say(r)
			time.Sleep(20 * time.Millisecond)
		}
	case "one lost":
		for {
			r := twoCards()
			r.Devices = r.Devices[1:]
			say(r)
			time.Sleep(20 * time.Millisecond)
		}
	default:
		go func() { // the lifeline
			os.Stdin.Read(make([]byte, 1))
			os.Exit(0)
		}()
		for {
			say(twoCards())
			time.Sleep(20 * time.Millisecond)
		}
	}
	time.Sleep(time.Hour)
}

func twoCards() gpu.Reading {
	r := gpu.Reading{Source: "nvml", State: gpu.OK, Driver: "570.1"}
	for i := range uint32(2) {
		r.Devices = append(r.Devices, gpu.Device{
			UUID: fmt.Sprint("GPU-", i), Index: gpu.Of(i), Name: "Example", Address: fmt.Sprintf("0000:%02d:00.0", i), Health: gpu.Healthy,
			UtilizationPercent: gpu.Of(uint32(40)), PowerMilliwatts: gpu.Of(uint32(71_250)),
			MemoryTotalBytes: gpu.Of(uint64(80)), MemoryUsedBytes: gpu.Of(uint64(30)),
			Processes: []gpu.Process{{PID: 1, Kind: gpu.Compute, MemoryBytes: gpu.Of(uint64(20))}},
		})
	}
	return r
}

// beHeld has another process hold on to this one, so that it is not gone when it
// was killed, as one that waits in the kernel.
func beHeld() {
	if err := unix.Prctl(unix.PR_SET_PTRACER, unix.PR_SET_PTRACER_ANY, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) { // a kernel that asks for no leave
		panic(err)
	}
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	holder := exec.Command(self)
	holder.Env = append(os.Environ(), fmt.Sprint(traceeVariable, "=", os.Getpid()))
	holder.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it isn't killed along
	holding, err := holder.StdoutPipe()
	if err == nil {
		err = holder.Start()
	}
	if err != nil {
		panic(err)
	}
	holding.Read(make([]byte, 1))
}

// holdOn traces a process until a file is there, or a minute has passed.
func holdOn() {
	pid, err := strconv.Atoi(os.Getenv(traceeVariable))
	if err != nil {
		panic(err)
	}
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(pid), 0, 0, 0, 0); errno != 0 {
		fmt.Fprintln(os.Stderr, "seize:", errno)
		os.Exit(1)
	}
	os.Stdout.Write([]byte{1})
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(os.Getenv(behaviourVariable) + ".let-go"); err == nil {
			return
		}
	}
}

// host is a monitor with a fake probe.
type host struct {
	*Monitor
	t         *testing.T
	behaviour string // path
	root      string
}

// begin runs a monitor whose probes behave so.
func begin(t *testing.T, behaviour string, change ...func(*Options)) *host {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	h := &host{t: t, behaviour: filepath.Join(dir, "behaviour"), root: dir}
	h.behave(behaviour)
	o := Options{
		Source: "recorded:dgxh100", Probe: self, Every: 20 * time.Millisecond, Log: hclog.NewNullLogger(), Root: dir,
		Environ: []string{behaviourVariable + "=" + h.behaviour, "CORRAL_AGENT_TOKEN=secret"},
		Pace:    Pace{First: 3 * time.Second, Grace: time.Second, Kill: time.Second, Again: 20 * time.Millisecond, Longest: 200 * time.Millisecond},
	}
	for _, f := range change {
		f(&o)
	}
	h.Monitor = New(o)
	h.run()
	return h
}

// run runs the monitor until the test ends, and wants it to leave nothing behind.
func (h *host) run() {
	done := make(chan error, 1)
	ctx := h.t.Context()
	go func() { done <- h.Run(ctx) }()
	h.t.Cleanup(func() {
		select {
		case err := <-done:
			if err != nil {
				h.t.Error(err)
			}
		case <-time.After(10 * time.Second):
			h.t.Error("the monitor goes on after its end")
		}
		if left := h.probes(); len(left) > 0 {
			h.t.Errorf("probes are left behind: %v", left)
		}
	})
}

// behave has the probes that are started from now on behave so.
func (h *host) behave(how string) {
	h.t.Helper()
	if err := os.WriteFile(h.behaviour, []byte(how), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// probes returns the probes of this test that run.
func (h *host) probes() (pids []int) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		h.t.Fatal(err)
	}
	for _, e := range entries {
		var pid int
		if _, err := fmt.Sscan(e.Name(), &pid); err != nil {
			continue
		}
		env, err := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		if err == nil && strings.Contains(string(env), h.behaviour) && !strings.Contains(string(env), traceeVariable) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// within waits for what is to become true, and returns how long that took.
func (h *host) within(limit time.Duration, what string, ok func() bool) time.Duration {
	h.t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > limit {
			h.t.Fatalf("%s: not after %v; the report is %+v", what, limit, h.shown())
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(began)
}
