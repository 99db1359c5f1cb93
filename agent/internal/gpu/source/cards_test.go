//go:build cgo

package source

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/agent/internal/gpu"
)

func TestACardIsLostAndComesBack(t *testing.T) {
	r := newRig(t, "cards 2")
	r.read()
	r.say("cards 2", "lost 1")
	got := r.read()
	wantCards(t, got, "GPU-0 0 ok, GPU-1 1 lost")
	d := got.Devices[1]
	if d.Name != "Fake GPU 1" || d.Serial == "" || d.Address == "" || d.UtilizationPercent.Known || d.Message == "" || len(d.Fans) > 0 {
		t.Errorf("the card that was lost: %+v", d)
	}
	r.lib.Forget(t)
	r.read()
	for _, c := range r.lib.Calls(t) {
		if c.Card == 1 {
			t.Errorf("the card that was lost is asked: %+v", c)
		}
	}
	r.say("cards 2", "lost 1", "driver 560.1")
	wantCards(t, r.slowly(), "GPU-0 0 ok, GPU-1 1 lost")
	r.say("cards 2", "reset 1")
	wantCards(t, r.slowly(), "GPU-0 0 ok, GPU-1 1 reset_required")
	r.say("cards 2")
	got = r.slowly()
	wantCards(t, got, "GPU-0 0 ok, GPU-1 1 ok")
	if d := got.Devices[1]; !d.UtilizationPercent.Known || len(d.Fans) == 0 || d.Message != "" {
		t.Errorf("the card that came back: %+v", d)
	}
}

func TestACardThatWasLostBeforeItWasKnown(t *testing.T) {
	r := newRig(t, "cards 2", "lost 1")
	wantCards(t, r.read(), "GPU-0 0 ok, UNKNOWN-1 1 lost")
	wantCards(t, r.slowly(), "GPU-0 0 ok, UNKNOWN-1 1 lost")
	r.say("cards 2")
	wantCards(t, r.slowly(), "GPU-0 0 ok, GPU-1 1 ok")

	// The bus knows which one it is.
	r = newRig(t, "cards 2", "reset 1")
	r.onBus("0000:01:00.0", "active")
	r.onBus("0000:02:00.0", "active")
	got := r.read()
	wantCards(t, got, "GPU-0 0 ok, PCI-0000:02:00.0 1 reset_required")
	if d := got.Devices[1]; d.Address != "0000:02:00.0" || !strings.Contains(d.Name, "10de:2330") {
		t.Errorf("the card is %+v", d)
	}
	r.say("cards 2")
	wantCards(t, r.slowly(), "GPU-0 0 ok, GPU-1 1 ok")
}

func TestACardGoesAndComes(t *testing.T) {
	r := newRig(t, "cards 2")
	r.onBus("0000:01:00.0", "active")
	r.onBus("0000:02:00.0", "active")
	r.read()
	r.say("cards 2", "gone 0")
	wantCards(t, r.read(), "GPU-0 0 lost, GPU-1 0 ok") // at once, as there are fewer
	r.say("cards 3")
	wantCards(t, r.read(), "GPU-0 0 ok, GPU-1 1 ok, GPU-2 2 ok")
}

func TestACardThatTheDriverDoesNotList(t *testing.T) {
	r := newRig(t, "cards 1")
	r.onBus("0000:01:00.0", "active")
	r.onBus("0000:41:00.0", "active")
	r.onBus("0000:42:00.0", "active")
	if err := os.Symlink("../../../drivers/vfio-pci", filepath.Join(r.host.Sys, "bus/pci/devices/0000:42:00.0/driver")); err != nil {
		t.Fatal(err)
	}
	got := r.read()
	wantCards(t, got, "GPU-0 0 ok, PCI-0000:41:00.0 - undriven, PCI-0000:42:00.0 - undriven")
	if got.State != gpu.OK || got.Devices[1].Message == "" || !strings.Contains(got.Devices[2].Message, "vfio-pci") {
		t.Errorf("the reading is %+v", got)
	}
}

func TestACardWhoseAddressIsNotKnown(t *testing.T) {
	r := newRig(t, "fail nvmlDeviceGetPciInfo_v3 999")
	r.onBus("0000:01:00.0", "active")
	wantCards(t, r.read(), "GPU-0 0 ok") // once, as it may be the one on the bus
	r.say()
	got := r.slowly()
	wantCards(t, got, "GPU-0 0 ok")
	if got.Devices[0].Address != "0000:01:00.0" {
		t.Errorf("the address is %q", got.Devices[0].Address)
	}
}

func TestAnotherOrder(t *testing.T) {
	r := newRig(t, "cards 3")
	before := r.read()
	r.say("cards 3", "order 2 0 1")
	got := r.slowly()
	wantCards(t, got, "GPU-0 1 ok, GPU-1 2 ok, GPU-2 0 ok")
	for i := range got.Devices {
		if got.Devices[i].Address != before.Devices[i].Address || got.Devices[i].UtilizationPercent.V != 40+uint32(i) {
			t.Errorf("%s has what belongs to another: %+v", got.Devices[i].UUID, got.Devices[i])
		}
	}
}

func TestACardIsCutUp(t *testing.T) {
	r := newRig(t, "process 0 77 200")
	if d := r.read().Devices[0]; d.MIG != gpu.Of(false) || len(d.Parts) > 0 {
		t.Fatalf("a whole card: %+v", d)
	}
	r.say("mig 0", "process 0 77 200")
	d := r.slowly().Devices[0]
	part := func(i uint32) gpu.Part {
		return gpu.Part{
			UUID: fmt.Sprintf("MIG-0-%d", i), Name: "Fake GPU 0", GPUInstance: gpu.Of(1 + i), ComputeInstance: gpu.Of(uint32(0)),
			MemoryTotalBytes: gpu.Of(uint64(10 << 30)), MemoryUsedBytes: gpu.Of(uint64(2 << 30)), MemoryReservedBytes: gpu.Of(uint64(1 << 30)),
		}
	}
	if diff := cmp.Diff([]gpu.Part{part(0), part(1)}, d.Parts); diff != "" {
		t.Errorf("the parts (-want +got):\n%s", diff)
	}
	if d.MIG != gpu.Of(true) || d.UtilizationPercent.Known || d.Health != gpu.Healthy || d.Processes[0].GPUInstance != gpu.Of(uint32(1)) {
		t.Errorf("the card that was cut up: %+v", d)
	}
	r.say("process 0 77 200")
	r.slowly() // the mode is seen, and what it supports is forgotten
	if d := r.read().Devices[0]; d.MIG != gpu.Of(false) || len(d.Parts) > 0 || !d.UtilizationPercent.Known || len(d.Absent) > 0 {
		t.Errorf("the card that is whole again: %+v", d)
	}
}

func TestACardThatIsNotWell(t *testing.T) {
	r := newRig(t, "recovery 2")
	if d := r.read().Devices[0]; d.Health != gpu.Degraded || !strings.Contains(d.Message, "restart of the host") {
		t.Errorf("%s: %s", d.Health, d.Message)
	}
	r.say()
	if d := r.slowly().Devices[0]; d.Health != gpu.Healthy || d.Message != "" {
		t.Errorf("%s: %s", d.Health, d.Message)
	}
}

func TestACardThatSleepsIsLeftAsleep(t *testing.T) {
	r := newRig(t, "cards 2")
	r.onBus("0000:01:00.0", "suspended")
	r.onBus("0000:02:00.0", "suspended")
	got := r.read()
	wantCards(t, got, "PCI-0000:01:00.0 - suspended, PCI-0000:02:00.0 - suspended")
	if calls := r.lib.Calls(t); got.State != gpu.OK || len(calls) > 0 {
		t.Errorf("%s, and calls %v", got.State, calls)
	}

	r.onBus("0000:01:00.0", "active")
	wantCards(t, r.slowly(), "GPU-0 0 ok, PCI-0000:02:00.0 - suspended")
	for _, c := range r.lib.Calls(t) {
		if c.Card == 1 {
			t.Errorf("the card that sleeps is asked: %+v", c)
		}
	}

	r.onBus("0000:02:00.0", "active")
	wantCards(t, r.slowly(), "GPU-0 0 ok, GPU-1 1 ok")
	r.onBus("0000:02:00.0", "suspended")
	wantCards(t, r.read(), "GPU-0 0 ok, GPU-1 1 suspended")
	wantCards(t, r.slowly(), "GPU-0 0 ok, GPU-1 1 suspended")
	r.onBus("0000:02:00.0", "active")
	wantCards(t, r.slowly(), "GPU-0 0 ok, GPU-1 1 ok")
}
