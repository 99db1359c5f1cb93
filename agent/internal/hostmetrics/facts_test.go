package hostmetrics

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/sdk/wire"
)

func TestFacts(t *testing.T) {
	hostname, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	got, err := newMachine(t).sampler().Facts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.Kernel == "" {
		t.Error("the kernel is unknown")
	}
	got.Kernel = ""
	want := wire.HostFacts{
		Hostname: hostname, OS: runtime.GOOS, Arch: runtime.GOARCH,
		Platform:    "debian 12.5",
		MachineID:   "6912f7cfbfa2b2c0f785c2f6bb1638a8",
		BootID:      "0b2f1c1e-1111-2222-3333-444455556666",
		CPUModel:    "Odd CPU @ 1.00GHz",
		CPUCores:    1,
		MemoryBytes: 1000000 << 10,
	}
	if d := diff(want, got); d != "" {
		t.Errorf("facts (-want +got):\n%s", d)
	}
}

func TestFactsThatAreMissing(t *testing.T) {
	m := newMachine(t)
	m.write("etc/machine-id", "uninitialized\n")
	m.remove("proc/cpuinfo")
	m.remove("proc/stat")
	got, err := m.sampler().Facts(t.Context())
	for _, what := range []string{"machine id", "cpu model", "cpu"} {
		if err == nil || !strings.Contains(err.Error(), what+": ") {
			t.Errorf("the error does not name the %s: %v", what, err)
		}
	}
	if got.MachineID != "" || got.CPUModel != "" || got.CPUCores != 0 {
		t.Errorf("facts from nowhere: %+v", got)
	}
	if got.BootID == "" || got.MemoryBytes == 0 {
		t.Errorf("the rest is missing: %+v", got)
	}
}

func TestModelOfAnARMProcessor(t *testing.T) {
	m := newMachine(t)
	for part, want := range map[string]string{"0xd40": "Neoverse-V1", "0xfff": ""} {
		m.write("proc/cpuinfo", "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: "+part+"\n")
		got, err := m.sampler().Facts(t.Context())
		if err != nil || got.CPUModel != want {
			t.Errorf("part %s is %q, %v; want %q", part, got.CPUModel, err, want)
		}
	}
}
