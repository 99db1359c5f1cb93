package agent

import (
	"cmp"
	"os"
	"time"

	"github.com/corral-fleet/corral/agent/internal/gpu/monitor"
	"github.com/corral-fleet/corral/agent/internal/ollama"
	"github.com/corral-fleet/corral/agent/internal/status"
	"github.com/corral-fleet/corral/sdk/wire"
)

// probeProgram is what reads GPUs.
const probeProgram = "corral-gpuprobe"

// gpuMonitor returns what watches over the program that reads GPUs.
func (a *Agent) gpuMonitor() *monitor.Monitor {
	return monitor.New(monitor.Options{
		Source: a.cfg.GPU.Source, Probe: cmp.Or(a.cfg.GPU.Probe, beside(probeProgram)), Every: max(a.cfg.SampleInterval, time.Second),
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

// usageOf tells an Ollama of the GPUs that it may use.
func usageOf(gpus *monitor.Monitor) ollama.GPUs {
	u, known := gpus.Usage()
	return ollama.GPUs{Known: known, FreeBytes: u.FreeBytes, Shares: u.Shares}
}

// instanceOf returns what tells which Ollama instance a process runs a model for.
func instanceOf(supervisor *ollama.Supervisor) func(pid uint32) string {
	return func(pid uint32) string {
		if supervisor.Runs(pid) {
			return wire.DefaultInstance
		}
		return ""
	}
}

func gpuStatus(gpus *monitor.Monitor) status.GPUs {
	r := gpus.Report(func(uint32) string { return "" })
	return status.GPUs{State: r.State, Message: r.Message, Source: r.Source, Driver: r.DriverVersion, Count: len(gpus.AppendGPUs(nil))}
}
