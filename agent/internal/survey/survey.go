// Package survey looks at what is on a host before an agent joins: the machine,
// and an Ollama that somebody runs there already. It changes nothing.
package survey

import (
	"context"
	"slices"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/agent/internal/hostmetrics"
)

// Options say where to look.
type Options struct {
	OllamaURL string   // where an Ollama may answer
	Folders   []string // whose disks are of interest
	SysRoot   string   // "" is /sys
	ProcRoot  string   // "" is /proc; of the driver alone
}

// Host is what was found.
type Host struct {
	Hostname, Platform, Kernel, Arch string
	CPUModel                         string
	CPUCores                         uint32 // logical
	MemoryBytes                      uint64
	Disks                            []Disk
	GPUs                             []GPU
	Driver                           string // version of the NVIDIA driver; "" where none is loaded
	Ollama                           Ollama
}

// Look looks at the host. What can't be found out stays empty: facts that could
// be read are good even where others could not.
func Look(ctx context.Context, o Options) Host {
	facts, _ := hostmetrics.New(hostmetrics.Options{Logger: hclog.NewNullLogger()}).Facts(ctx)
	h := Host{
		Hostname: facts.Hostname, Platform: facts.Platform, Kernel: facts.Kernel, Arch: facts.Arch,
		CPUModel: facts.CPUModel, CPUCores: facts.CPUCores, MemoryBytes: facts.MemoryBytes,
		Ollama: lookAtOllama(ctx, o.OllamaURL),
	}
	folders := o.Folders
	if h.Ollama.ModelsDir != "" {
		folders = append(slices.Clip(folders), h.Ollama.ModelsDir)
	}
	h.Disks = disks(folders)
	pci := pci{sys: orDefault(o.SysRoot, "/sys"), proc: orDefault(o.ProcRoot, "/proc")}
	h.GPUs, h.Driver = pci.gpus(), pci.driver()
	return h
}

func orDefault(s, byDefault string) string {
	if s == "" {
		return byDefault
	}
	return s
}
