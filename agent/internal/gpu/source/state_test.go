//go:build cgo

package source

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/corral-fleet/corral/agent/internal/gpu"
	"github.com/corral-fleet/corral/agent/internal/gpu/fakenvml"
)

func TestTheDriverAsAWhole(t *testing.T) {
	for line, want := range map[string]gpu.State{
		"fail nvmlInit_v2 9":                     gpu.NoDriver,
		"fail nvmlInit_v2 18":                    gpu.VersionMismatch,
		"fail nvmlInit_v2 4":                     gpu.Failed,
		"fail nvmlInit_v2 999":                   gpu.Failed,
		"fail nvmlSystemGetDriverVersion 18":     gpu.VersionMismatch,
		"fail nvmlDeviceGetCount_v2 999":         gpu.Failed,
		"fail nvmlDeviceGetCount_v2 1":           gpu.NoDriver,
		"fail nvmlDeviceGetUtilizationRates 1":   gpu.NoDriver,
		"fail nvmlDeviceGetFieldValues 9":        gpu.NoDriver,
		"fail nvmlDeviceGetTemperature 18":       gpu.VersionMismatch,
		"fail nvmlSystemGetCudaDriverVersion 18": gpu.OK,
	} {
		r := newRig(t, line)
		r.onBus("0000:01:00.0", "active")
		r.file(filepath.Join(r.host.Proc, "driver/nvidia/version"), "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22 01:44:30 UTC 2024")
		got := r.read()
		if got.State != want || want != gpu.OK && got.Message == "" || got.KernelModule != "550.54.14" {
			t.Errorf("%s: %s, %q, kernel module %q", line, got.State, got.Message, got.KernelModule)
		}
		if want == gpu.OK {
			continue
		}
		// The card is shown all the same, and nothing is called that could hurt.
		if len(got.Devices) != 1 || got.Devices[0].Address != "0000:01:00.0" || got.Devices[0].Health != gpu.Undriven {
			t.Errorf("%s: the cards are %s", line, cards(got))
		}
		r.lib.Forget(t)
		if again := r.slowly(); again.State != want || len(r.lib.Calls(t)) > 0 {
			t.Errorf("%s: then %s, and calls %v", line, again.State, r.lib.Calls(t))
		}
	}
}

func TestTheDriverFailsLater(t *testing.T) {
	r := newRig(t, "cards 2")
	r.read()
	r.say("cards 2", "fail nvmlDeviceGetPowerUsage 9")
	got := r.read()
	if got.State != gpu.NoDriver {
		t.Errorf("the state is %s", got.State)
	}
	wantCards(t, got, "GPU-0 0 undriven, GPU-1 1 undriven")
	if d := got.Devices[0]; d.UtilizationPercent.Known || d.Serial == "" {
		t.Errorf("the card is %+v", d)
	}
}

func TestNoLibraryUntilThereIsOne(t *testing.T) {
	r := newRig(t)
	there := r.host.Library
	r.host.Library = filepath.Join(t.TempDir(), fakenvml.Name)
	r.begin()
	for range 2 {
		if got := r.read(); got.State != gpu.NoLibrary || len(got.Devices) != 0 || got.Message == "" {
			t.Errorf("without a library: %+v", got)
		}
	}
	if err := os.Symlink(there, r.host.Library); err != nil {
		t.Fatal(err)
	}
	if got := r.slowly(); got.State != gpu.OK || len(got.Devices) != 1 {
		t.Errorf("with a library: %+v", got)
	}
}

func TestALibraryOfAnotherVersionIsOnDisk(t *testing.T) {
	r := newRig(t)
	versioned := filepath.Join(r.lib.Dir, "libnvidia-ml.so.560.35.03")
	if err := os.Rename(r.host.Library, versioned); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(versioned, r.host.Library); err != nil {
		t.Fatal(err)
	}
	for version, want := range map[string]int{"560.35.03": 0, "550.54.14": 1} {
		r.file(filepath.Join(r.host.Proc, "driver/nvidia/version"), "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  "+version+"  Release Build  (dvs-builder)")
		r.begin()
		got := r.read()
		if len(got.Conditions) != want || want > 0 && got.Conditions[0].Code != gpu.DriverReplaced || got.State != gpu.OK {
			t.Errorf("%s: %+v", version, got.Conditions)
		}
	}
}
