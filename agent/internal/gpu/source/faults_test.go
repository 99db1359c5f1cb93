//go:build cgo

package source

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/corral-fleet/corral/agent/internal/gpu"
)

// kmsg writes to the kernel log of the host, now.
func (r *rig) kmsg(sequence int, text string) {
	r.t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		r.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(r.log, "4,%d,%d,-;%s\n", sequence, ts.Nano()/1000, text); err != nil {
		r.t.Fatal(err)
	}
}

func TestFaultsFromBothSidesAreToldOnce(t *testing.T) {
	r := newRig(t, "cards 2")
	if got := r.read(); len(got.Events) != 0 {
		t.Fatalf("events %+v", got.Events)
	}
	r.kmsg(10, "NVRM: Xid (PCI:0000:02:00): 13, pid=77, name=ollama, Graphics Exception")
	r.say("cards 2", "xid 1 1 13", "xid 2 0 31")
	got := r.read()
	var told []string
	for _, e := range got.Events {
		told = append(told, fmt.Sprintf("%s %s %s %d %s %s", e.Source, e.UUID, e.Address, e.Xid.V, e.Action, e.Process))
	}
	want := []string{"kmsg GPU-1 0000:02:00.0 13 RESTART_APP ollama", "nvml GPU-0 0000:01:00.0 31 RESTART_APP "}
	if d := cmp.Diff(want, told); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
	if got.LogSequence != gpu.Of(uint64(10)) {
		t.Errorf("the last record is %v", got.LogSequence)
	}
	if got := r.read(); len(got.Events) != 0 {
		t.Errorf("told again: %+v", got.Events)
	}

	// A new probe goes on behind what the one before it saw.
	r.host.LogAfter = gpu.Of(uint64(10))
	r.begin()
	r.kmsg(10, "NVRM: Xid (PCI:0000:02:00): 45, pid=77, name=ollama, seen before")
	r.kmsg(11, "NVRM: Xid (PCI:0000:02:00): 79, pid=77, name=ollama, GPU has fallen off the bus.")
	got = r.read()
	if len(got.Events) != 1 || got.Events[0].Xid != gpu.Of(uint32(79)) || got.Events[0].Action != gpu.RestartHost {
		t.Errorf("a new probe tells %+v", got.Events)
	}
}

func TestACardRegistersAnewWhenItComesBack(t *testing.T) {
	r := newRig(t, "cards 2")
	r.read()
	r.say("cards 2", "lost 1", "fail nvmlEventSetWait_v2 15")
	r.read()
	r.say("cards 2")
	r.slowly()
	r.say("cards 2", "xid 101 0 13", "xid 102 1 62")
	if got := r.read(); len(got.Events) != 2 || got.Events[1].UUID != "GPU-1" || got.Events[1].Action != gpu.ResetGPU {
		t.Errorf("events %+v", got.Events)
	}
}

func TestOneSideAlone(t *testing.T) {
	r := newRig(t, "fail nvmlDeviceGetSupportedEventTypes 3")
	if got := r.read(); len(got.Conditions) != 1 || got.Conditions[0].Code != gpu.NoDriverEvents {
		t.Errorf("conditions %+v", got.Conditions)
	}
	r.host.Log = filepath.Join(t.TempDir(), "none")
	r.say()
	r.begin()
	for range 2 {
		if got := r.read(); len(got.Conditions) != 1 || got.Conditions[0].Code != gpu.LogUnreadable || got.State != gpu.OK || got.LogSequence.Known {
			t.Errorf("conditions %+v", got.Conditions)
		}
	}
}
