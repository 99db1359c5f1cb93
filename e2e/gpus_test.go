package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/sdk/client"
)

// recordedGPUs is a machine with eight GPUs that is not there.
const recordedGPUs = "recorded:dgxh100"

// reads returns a condition of a host: its GPUs are read so.
func reads(state string, words ...string) func(*client.Host) bool {
	return func(h *client.Host) bool {
		if h.GPUReport == nil || h.GPUReport.State != state || h.Sample == nil {
			return false
		}
		for _, w := range words {
			if !strings.Contains(h.GPUReport.Message, w) {
				return false
			}
		}
		return true
	}
}

// allRead reports whether all GPUs of the recorded machine are read.
func allRead(h *client.Host) bool { return reads("ok")(h) && gpusIn(h, client.GPUOK) == 8 }

// noneRead reports whether all of them are known, and nothing of them.
func noneRead(h *client.Host) bool {
	if h.Sample == nil || gpusIn(h, client.GPUUnknown) != 8 {
		return false
	}
	for _, g := range h.Sample.GPUs {
		if g.UUID == "" || g.UtilizationPercent != nil || g.MemoryUsedBytes != nil || g.TemperatureCelsius != nil {
			return false
		}
	}
	return true
}

func gpusIn(h *client.Host, state client.GPUState) (n int) {
	if h.Sample == nil {
		return 0
	}
	for _, g := range h.Sample.GPUs {
		if g.State == state {
			n++
		}
	}
	return n
}

// TestGPUsAreSeenByEverybody goes from the probe to all who look, with GPUs that
// are not real, which all of them say.
func TestGPUsAreSeenByEverybody(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	agent := controlplane.Agent(corraltest.AgentOptions{Name: "rack-1", Args: []string{"--gpu", recordedGPUs}})
	host := controlplane.AwaitHost(serveLimit, agent.Name, "reads its GPUs", allRead)
	for i, g := range host.Sample.GPUs {
		if g.Source != recordedGPUs || g.Index != i || g.UtilizationPercent == nil || g.MemoryUsedBytes == nil || g.PowerWatts == nil || g.SMClockMHz == nil {
			t.Errorf("GPU %d is %+v", i, g)
		}
	}
	viewer := controlplane.As(corraltest.Viewer)
	var metrics struct {
		GPUs []struct{ Host, UUID, Source string }
	}
	viewer.Get("/api/metrics").JSON(&metrics)
	if len(metrics.GPUs) != 8 || metrics.GPUs[7].Host != "rack-1" || metrics.GPUs[7].Source != recordedGPUs {
		t.Errorf("the metrics have the GPUs %+v", metrics.GPUs)
	}
	var status client.Status
	viewer.Get("/api/system/status").JSON(&status)
	if status.GPUs != (client.GPUCounts{Total: 8, NotReal: 8}) {
		t.Errorf("the status counts %+v", status.GPUs)
	}
	var history struct{ Samples []client.Sample }
	corraltest.Await(t, serveLimit, "a history with GPUs", func() error {
		viewer.Get("/api/history?host=rack-1").JSON(&history)
		for _, s := range history.Samples {
			if len(s.GPUs) == 8 && s.GPUs[0].Source == recordedGPUs && s.GPUs[0].UtilizationPercent != nil {
				return nil
			}
		}
		return fmt.Errorf("%d samples", len(history.Samples))
	})
	operator := []string{"--server", controlplane.URL(), "--key", controlplane.Key(corraltest.Operator)}
	wantCommand(t, 0, []string{`(?m)^gpus +8 GPUs, not real: ` + recordedGPUs, `(?m)^7 +.*\(not real: ` + recordedGPUs + `\) +ok `},
		"corral", append([]string{"host", "show", "rack-1"}, operator...)...)
	wantCommand(t, 0, []string{`(?m)^source +not real: ` + recordedGPUs, `(?m)^pcie_width +16$`},
		"corral", append([]string{"gpu", "show", "rack-1"}, operator...)...)
	if answer := viewer.Get("/api/hosts/rack-1/gpus/processes"); answer.Status != 403 {
		t.Errorf("a viewer sees who uses GPUs: %d %s", answer.Status, answer.Body)
	}
	t.Run("let go of", func(t *testing.T) { lettingGo(t, lab, controlplane, operator) })
	t.Run("on the host", func(t *testing.T) {
		onHost := []string{"--data-dir", agent.DataDir}
		wantCommand(t, 0, []string{`(?m)^gpus +8, not real: ` + recordedGPUs}, "corral-agent", append([]string{"status"}, onHost...)...)
		wantCommand(t, 0, []string{`holds the GPU driver no more, until 20`}, "corral-agent", append([]string{"gpu", "release", "--for", "1h"}, onHost...)...)
		if left := lab.Find("corral-gpuprobe"); len(left) > 0 {
			t.Errorf("probes still run: %v", left)
		}
		wantCommand(t, 0, []string{`(?m)^gpus +released: `}, "corral-agent", append([]string{"status"}, onHost...)...)
		wantCommand(t, 0, []string{`reads the GPUs again`}, "corral-agent", append([]string{"gpu", "acquire"}, onHost...)...)
		controlplane.AwaitHost(serveLimit, "rack-1", "reads its GPUs again", allRead)
		wantCommand(t, 2, []string{"not between 1 second and 24h0m0s"}, "corral-agent", append([]string{"gpu", "release", "--for", "25h"}, onHost...)...)
	})
}

// lettingGo lets go of the GPUs from afar and on the host.
func lettingGo(t *testing.T, lab *corraltest.Lab, controlplane *corraltest.ControlPlane, operator []string) {
	wantCommand(t, 0, []string{`holds the GPU driver no more, for 10m0s`}, "corral", append([]string{"gpu", "release", "rack-1", "--for", "10m"}, operator...)...)
	if left := lab.Find("corral-gpuprobe"); len(left) > 0 {
		t.Errorf("probes still run: %v", left)
	}
	host := controlplane.AwaitHost(serveLimit, "rack-1", "shows its GPUs as let go of", func(h *client.Host) bool { return reads("released", "let go of until ")(h) && noneRead(h) })
	if left := time.Until(host.GPUReport.ReleasedUntil); left < 9*time.Minute || left > 10*time.Minute {
		t.Errorf("they are let go of for %v", left)
	}
	if strings.Contains(fmt.Sprint(host.Problems), "gpus_") {
		t.Errorf("what was asked for is shown as a problem: %v", host.Problems)
	}
	wantCommand(t, 0, []string{"are read again"}, "corral", append([]string{"gpu", "acquire", "rack-1"}, operator...)...)
	controlplane.AwaitHost(serveLimit, "rack-1", "reads its GPUs again", allRead)
	wantCommand(t, 1, []string{"1 second at least"}, "corral", append([]string{"gpu", "release", "rack-1", "--for", "0s"}, operator...)...)
}

// TestGPUProbeFaults does to the program that reads GPUs what can be done to it.
// Each is seen with its reason and within 10 s, and is over soon after its cause.
func TestGPUProbeFaults(t *testing.T) {
	t.Parallel()
	const seenLimit, mendedLimit = 10 * time.Second, 20 * time.Second
	real := corraltest.Bin(t, "corral-gpuprobe")
	script := func(text string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			t.Helper()
			replace(t, path, func(at string) error { return os.WriteFile(at, []byte("#!/bin/sh\n"+text+"\n"), 0o700) }) //nolint:gosec // a program
		}
	}
	for name, c := range map[string]struct {
		do       func(t *testing.T, path string) // to the program; nil leaves it
		signal   syscall.Signal                  // to the one that runs
		state    string
		sentence string
	}{
		"killed":  {nil, syscall.SIGKILL, "probe_crashed", "a signal (killed)"},
		"stopped": {nil, syscall.SIGSTOP, "probe_silent", "no reading for 6s"},
		"garbage": {script(`printf 'NVML: GPU 0: OK\n' >&3; sleep 60`), syscall.SIGKILL, "probe_garbled", "can't be understood"},
		"127":     {script(`echo "symbol lookup error: undefined symbol: nvmlInit_v2" >&2; exit 127`), syscall.SIGKILL, "probe_crashed", "undefined symbol: nvmlInit_v2"},
		"missing": {func(t *testing.T, path string) {
			t.Helper()
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}, syscall.SIGKILL, "probe_missing", "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lab := corraltest.New(t)
			path := filepath.Join(lab.Dir, "probe")
			link := func(at string) error { return os.Symlink(real, at) }
			replace(t, path, link)
			controlplane := lab.ControlPlane()
			agent := controlplane.Agent(corraltest.AgentOptions{Args: []string{"--gpu", recordedGPUs, "--gpu-probe", path}})
			controlplane.AwaitHost(serveLimit, agent.Name, "reads its GPUs", allRead)
			if c.do != nil {
				c.do(t, path)
			}
			probe := probeOf(t, lab, path)
			began := time.Now()
			if err := syscall.Kill(probe, c.signal); err != nil {
				t.Fatal(err)
			}
			host := controlplane.AwaitHost(seenLimit, agent.Name, "shows "+c.state, func(h *client.Host) bool { return reads(c.state, c.sentence)(h) && noneRead(h) })
			seen := time.Since(began)
			if host.State != client.HostDegraded || !strings.Contains(fmt.Sprint(host.Problems), "gpus_"+c.state) {
				t.Errorf("the host is %s: %v", host.State, host.Problems)
			}
			if c.do != nil {
				replace(t, path, link)
			}
			began = time.Now()
			controlplane.AwaitHost(mendedLimit, agent.Name, "reads its GPUs again", allRead)
			t.Logf("%s: seen after %v, mended after %v", name, seen.Round(10*time.Millisecond), time.Since(began).Round(10*time.Millisecond))
		})
	}
}

// probeOf returns the one process that was started by this path.
func probeOf(t *testing.T, lab *corraltest.Lab, path string) int {
	t.Helper()
	var probes []int
	for _, pid := range lab.Find(path) {
		if strings.HasPrefix(corraltest.CommandLine(pid), path) {
			probes = append(probes, pid)
		}
	}
	if len(probes) != 1 {
		t.Fatalf("probes: %v", probes)
	}
	return probes[0]
}

// replace makes a file in the place of what is there, at once.
func replace(t *testing.T, path string, create func(at string) error) {
	t.Helper()
	beside := path + ".new"
	if err := errors.Join(create(beside), os.Rename(beside, path)); err != nil {
		t.Fatal(err)
	}
}

// TestAHostWithoutGPUsStartsNoProbe looks at what most tests here have: no GPU.
func TestAHostWithoutGPUsStartsNoProbe(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/nvidiactl"); err == nil {
		t.Log("this machine has a GPU: nothing to see here")
		return
	}
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	agent := controlplane.Agent(corraltest.AgentOptions{})
	host := controlplane.AwaitHost(serveLimit, agent.Name, "has no GPUs", reads("none"))
	if len(host.Sample.GPUs) > 0 || host.GPUReport.Message != "" || strings.Contains(fmt.Sprint(host.Problems), "gpu") {
		t.Errorf("a host without GPUs: %+v, %+v, %v", host.Sample.GPUs, host.GPUReport, host.Problems)
	}
	if probes := lab.Find("gpuprobe"); len(probes) > 0 {
		t.Errorf("probes run: %v", probes)
	}
}
