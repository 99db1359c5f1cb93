package agent

import (
	"cmp"
	"os"
	"path/filepath"
	"time"

	"github.com/corral-fleet/corral/agent/internal/gpu/monitor"
	"github.com/corral-fleet/corral/sdk/wire"
)

// probeProgram is what reads GPUs.
const probeProgram = "corral-gpuprobe"

// gpuMonitor returns what watches over the program that reads GPUs.
func (a *Agent) gpuMonitor() *monitor.Monitor {
	beside := probeProgram
	if self, err := os.Executable(); err == nil {
		beside = filepath.Join(filepath.Dir(self), probeProgram)
	}
	return monitor.New(monitor.Options{
		Source: a.cfg.GPU.Source, Probe: cmp.Or(a.cfg.GPU.Probe, beside), Every: max(a.cfg.SampleInterval, time.Second),
		Environ: os.Environ(), Log: a.log.Named("gpu"),
	})
}

// actOnGPUs carries out the actions on GPUs, and false where it is none.
func actOnGPUs(gpus *monitor.Monitor, action *wire.Action) (ours bool, err error) {
	switch action.Kind {
	case wire.ActionReleaseGPUs:
		_, err := gpus.Release(time.Duration(action.Seconds) * time.Second)
		return true, err
	case wire.ActionAcquireGPUs:
		gpus.Acquire()
		return true, nil
	}
	return false, nil
}

// nobody knows of no process whose it is.
func nobody(uint32) string { return "" }
