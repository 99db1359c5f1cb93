package monitor

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

// patience is for what comes by itself, on a machine that others keep busy.
const patience = 20 * time.Second

func (h *host) shown() *wire.GPUReport { return h.Report(func(uint32) string { return "" }) }

func (h *host) await(state string) time.Duration {
	h.t.Helper()
	return h.within(patience, "state "+state, func() bool { return h.shown().State == state })
}

var sameFloat = cmp.Comparer(func(a, b float32) bool { return a == b || a != a && b != b })

func wellRow(i uint32, uuid string) wire.GPU {
	nan := float32(math.NaN())
	return wire.GPU{
		UUID: uuid, Index: i, Name: "Example", State: wire.GPUOK, UtilizationPercent: 40, PowerWatts: 71.25,
		Memory:             wire.GPUMemory{Known: true, TotalBytes: 80, UsedBytes: 30},
		TemperatureCelsius: nan, SlowdownCelsius: nan, PowerLimitWatts: nan,
		Clocks: wire.GPUClocks{SMMegahertz: nan, MemoryMegahertz: nan},
	}
}

func unknownRow(i uint32, uuid string) wire.GPU {
	row := wellRow(i, uuid)
	row.State, row.UtilizationPercent, row.PowerWatts = wire.GPUUnknown, float32(math.NaN()), float32(math.NaN())
	row.Message, row.Memory, row.Clocks = "it can't be read now", wire.GPUMemory{}, wire.GPUClocks{}
	return row
}

func (h *host) wantRows(want ...wire.GPU) {
	h.t.Helper()
	if d := cmp.Diff(want, h.AppendGPUs(nil), sameFloat); d != "" {
		h.t.Errorf("rows (-want +got):\n%s", d)
	}
}

func TestCardsAreInSamples(t *testing.T) {
	h := begin(t, "well")
	h.await(wire.GPUsOK)
	h.wantRows(wellRow(0, "GPU-0"), wellRow(1, "GPU-1"))
	r := h.shown()
	if r.DriverVersion != "570.1" || r.Source != "nvml" || len(r.Cards) != 2 || r.Cards[1].Address != "0000:01:00.0" {
		t.Errorf("the report is %+v", r)
	}
	if c := r.Cards[0]; !c.UnaccountedKnown || c.UnaccountedBytes != 10 {
		t.Errorf("of 30 bytes in use a process has 20; unaccounted for are %d, %v", c.UnaccountedBytes, c.UnaccountedKnown)
	}
	dst := make([]wire.GPU, 0, 8)
	if n := testing.AllocsPerRun(100, func() { dst = h.AppendGPUs(dst[:0]) }); n > 0 {
		t.Errorf("a sample takes memory %v times", n)
	}
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", h.probes()[0]))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(env), "CORRAL_AGENT_") {
		t.Error("the probe gets the agent's settings")
	}
}

// Each fault of a probe is a state with a sentence, the cards stay as rows of which
// nothing is known, and a probe that works again is enough for all to be well.
func TestFaultsOfAProbe(t *testing.T) {
	for behaviour, want := range map[string]struct{ state, sentence string }{
		"mute":             {wire.GPUsProbeSilent, "gave no reading for "},
		"hang":             {wire.GPUsProbeSilent, "gave no reading for 1.02s"},
		"trickle":          {wire.GPUsProbeSilent, "gave no reading for "},
		"garbage":          {wire.GPUsProbeGarbled, "can't be understood"},
		"closed":           {wire.GPUsProbeGarbled, "stopped giving readings"},
		"crash":            {wire.GPUsProbeCrashed, "ended with status 2. Its last words: panic: runtime error: invalid memory address"},
		"kill":             {wire.GPUsProbeCrashed, "was ended by a signal (killed)"},
		"missing function": {wire.GPUsProbeCrashed, "lacks (status 127). Its last words: corral-gpuprobe: symbol lookup error: undefined symbol: nvmlDeviceGetUUID"},
		"no driver":        {wire.GPUsNoDriver, "No driver is loaded."},
	} {
		t.Run(behaviour, func(t *testing.T) {
			t.Parallel()
			h := begin(t, "well")
			h.await(wire.GPUsOK)
			h.behave(behaviour)
			for _, pid := range h.probes() {
				unix.Kill(pid, unix.SIGKILL)
			}
			seen := h.within(patience, "state "+want.state, func() bool {
				r := h.shown()
				return r.State == want.state && strings.Contains(r.Message, want.sentence)
			})
			h.wantRows(unknownRow(0, "GPU-0"), unknownRow(1, "GPU-1"))
			h.behave("well")
			if behaviour == "no driver" { // it goes on until it is told
				for _, pid := range h.probes() {
					unix.Kill(pid, unix.SIGKILL)
				}
			}
			mended := h.await(wire.GPUsOK)
			h.wantRows(wellRow(0, "GPU-0"), wellRow(1, "GPU-1"))
			t.Logf("seen after %v, mended after %v", seen.Round(time.Millisecond), mended.Round(time.Millisecond))
		})
	}
}

// A probe that is killed or stopped by somebody is replaced.
func TestAProbeThatIsTakenAway(t *testing.T) {
	for name, signal := range map[string]syscall.Signal{"killed": unix.SIGKILL, "stopped": syscall.SIGSTOP} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := begin(t, "well")
			h.await(wire.GPUsOK)
			before := h.probes()[0]
			if err := unix.Kill(before, signal); err != nil {
				t.Fatal(err)
			}
			took := h.within(patience, "another probe", func() bool {
				now := h.probes()
				return len(now) == 1 && now[0] != before && h.shown().State == wire.GPUsOK
			})
			t.Logf("replaced after %v", took.Round(time.Millisecond))
		})
	}
}

func TestAProbeThatIsNotThere(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "corral-gpuprobe")
	h := begin(t, "well", func(o *Options) { o.Probe = path })
	h.await(wire.GPUsProbeMissing)
	if m := h.shown().Message; !strings.Contains(m, path) || !strings.Contains(m, "no such file") {
		t.Errorf("the sentence is %q", m)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	h.await(wire.GPUsOK)
}

// A card that the driver no longer lists is lost, and not forgotten.
func TestACardThatIsNoLongerListed(t *testing.T) {
	h := begin(t, "well")
	h.await(wire.GPUsOK)
	h.behave("one lost")
	unix.Kill(h.probes()[0], unix.SIGKILL)
	lost := unknownRow(1, "GPU-0")
	lost.State, lost.Message = wire.GPULost, "it was there, and the driver no longer lists it"
	h.within(patience, "a lost card", func() bool {
		return cmp.Equal([]wire.GPU{wellRow(1, "GPU-1"), lost}, h.AppendGPUs(nil), sameFloat)
	})
	if got := h.shown().State; got != wire.GPUsOK {
		t.Errorf("the state is %q", got)
	}
}

// Two probes that can't be killed are enough: no third one is started until one
// of them is gone.
func TestProbesThatCannotBeKilled(t *testing.T) {
	h := begin(t, "stuck")
	h.await(wire.GPUsUnresponsive)
	if n := len(h.probes()); n != 0 { // a zombie shows no environment
		t.Errorf("%d probes run", n)
	}
	if got := h.stuckProbes(); got != 2 {
		t.Errorf("%d probes are stuck, want 2", got)
	}
	h.wantRows(unknownRow(0, "GPU-0"), unknownRow(1, "GPU-1"))
	started := time.Now()
	h.Acquire() // somebody who is impatient changes nothing
	h.within(patience, "a look", func() bool { return time.Since(started) > 5*h.Pace.Longest })
	if n := len(h.probes()); n != 0 {
		t.Errorf("%d probes run", n)
	}
	if _, err := h.Release(time.Minute); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("letting go of a driver that hangs: %v", err)
	}
	h.behave("well")
	h.Acquire()
	if err := os.WriteFile(h.behaviour+".let-go", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h.await(wire.GPUsOK)
	h.within(patience, "an end of the others", func() bool { return h.stuckProbes() == 0 })
}

func TestRelease(t *testing.T) {
	h := begin(t, "well")
	h.await(wire.GPUsOK)
	before := time.Now()
	until, err := h.Release(time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if left := h.probes(); len(left) > 0 {
		t.Errorf("a probe still runs: %v", left)
	}
	r := h.shown()
	if r.State != wire.GPUsReleased || r.UntilUnixMillis != until.UnixMilli() || until.Before(before.Add(time.Hour)) || !strings.Contains(r.Message, until.UTC().Format(time.RFC3339)) {
		t.Errorf("until %v: %+v", until, r)
	}
	h.wantRows(unknownRow(0, "GPU-0"), unknownRow(1, "GPU-1"))
	h.Acquire()
	h.await(wire.GPUsOK)
	if r := h.shown(); r.UntilUnixMillis != 0 {
		t.Errorf("the report still says until when: %+v", r)
	}
	if _, err := h.Release(time.Second); err != nil {
		t.Fatal(err)
	}
	h.await(wire.GPUsOK) // by itself
	for _, d := range []time.Duration{0, -time.Hour, MaxRelease + 1} {
		if _, err := h.Release(d); fault.KindOf(err) != fault.Invalid {
			t.Errorf("for %v: %v", d, err)
		}
	}
}

// Where there is no GPU nothing is started, and one that comes is found.
func TestAHostWithoutGPUs(t *testing.T) {
	h := begin(t, "well", func(o *Options) { o.Source, o.Pace.Look = "auto", 20*time.Millisecond })
	h.await(wire.GPUsNone)
	device := func(address, vendor, class string) {
		t.Helper()
		dir := filepath.Join(h.root, "sys/bus/pci/devices", address)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for file, text := range map[string]string{"vendor": vendor, "class": class} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	device("0000:00:02.0", "0x8086", "0x030000")
	device("0000:01:00.1", "0x10de", "0x040300") // the sound of a card
	looked := time.Now()
	h.within(patience, "a few looks", func() bool { return time.Since(looked) > 10*h.Pace.Look })
	if r := h.shown(); r.State != wire.GPUsNone || r.Message != "" || len(h.probes()) > 0 || len(h.AppendGPUs(nil)) > 0 {
		t.Errorf("%+v, probes %v", r, h.probes())
	}
	device("0000:01:00.0", "0x10de", "0x030200")
	h.await(wire.GPUsOK)
}

func TestGPUsThatAreNotLookedFor(t *testing.T) {
	h := begin(t, "well", func(o *Options) { o.Source = "none" })
	h.await(wire.GPUsOff)
	if len(h.probes()) > 0 {
		t.Error("a probe runs")
	}
	if _, err := h.Release(time.Minute); fault.KindOf(err) != fault.Conflict {
		t.Errorf("letting go of nothing: %v", err)
	}
}

// An agent that was stopped for longer than a probe may take finds that the probe
// was not silent.
func TestAStoppedAgentIsNotASilentProbe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p := &probe{cmd: &exec.Cmd{}, frames: r}
	p.expect(100 * time.Millisecond)
	p.next = time.Now().Add(-time.Hour) // the first step ended while it was stopped
	w.WriteString("frame")
	w.Close()
	b := make([]byte, 5)
	if n, err := p.Read(b); n != 5 || err != nil {
		t.Errorf("read %q, %v", b[:n], err)
	}
}

// Who has what is told where it is sure, and of cards that are real.
func TestUsage(t *testing.T) {
	if !HostNumbers() {
		t.Log("processes are counted otherwise than by the driver here, so that nothing is known")
	}
	h := begin(t, "well")
	h.await(wire.GPUsOK)
	u, known := h.Usage()
	want := Usage{}
	if HostNumbers() {
		want = Usage{FreeBytes: 100, Shares: map[uint32][]wire.GPUShare{1: {{UUID: "GPU-0", MemoryBytes: 20}, {UUID: "GPU-1", MemoryBytes: 20}}}}
	}
	if d := cmp.Diff(want, u); d != "" || known != HostNumbers() {
		t.Errorf("known %v (-want +got):\n%s", known, d)
	}
	for _, behaviour := range []string{"made up", "one lost", "silent processes", "hang"} {
		h.behave(behaviour)
		for _, pid := range h.probes() {
			unix.Kill(pid, unix.SIGKILL)
		}
		h.within(patience, "nothing known, as it is "+behaviour, func() bool {
			_, known := h.Usage()
			return !known && h.shown().State == wire.GPUsOK || behaviour == "hang" && h.shown().State == wire.GPUsProbeSilent
		})
	}
	if _, known := h.Usage(); known {
		t.Error("of a probe that hangs something is known")
	}
}
