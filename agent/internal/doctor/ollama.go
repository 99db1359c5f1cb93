package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/corral-fleet/corral/agent/internal/config"
)

// leastForModels is how much has to be free for another model, a small one.
const leastForModels = 8 << 30

// leastOpenFiles is what a busy host needs: two for each request and one for
// each file of a model.
const leastOpenFiles = 4096

func (f *Findings) ollama() []Check {
	checks := []Check{f.answers()}
	if f.Host.Ollama.Err != nil {
		return checks
	}
	return append(checks, f.owner(), f.binding(), f.parallel(), f.models(), f.memory())
}

func (f *Findings) answers() Check {
	const name = "Ollama"
	found := &f.Host.Ollama
	if found.Err == nil {
		return ok(name, fmt.Sprintf("%s answers at %s with %d models", found.Version, found.URL, len(found.Models)))
	}
	evidence := fmt.Sprintf("none answers at %s: %v", found.URL, found.Err)
	switch {
	case f.Ollama.Mode == config.ModeAttached || f.Agent.Running:
		return failed(name, evidence, "start it with what runs it, or correct --ollama-url; ollama's own log says why it ended")
	case found.Process != "":
		return failed(name, fmt.Sprintf("%s; %s (process %d) listens there", evidence, found.Process, found.PID), "stop that program, or give another --ollama-url")
	case f.Ollama.Bin == "":
		return failed(name, evidence+", and there is no ollama program to start one", "install Ollama, or name it with --ollama-bin")
	}
	return ok(name, fmt.Sprintf("none answers at %s yet; the agent starts %s", found.URL, f.Ollama.Bin))
}

func (f *Findings) owner() Check {
	const name = "who runs it"
	found := &f.Host.Ollama
	if found.Process == "" {
		return warning(name, "a process that may not be seen", "run this as root, or as Ollama's user")
	}
	evidence := fmt.Sprintf("%s, process %d, user %s", found.Process, found.PID, found.User)
	if found.Unit != "" {
		evidence += ", unit " + found.Unit
	}
	if f.Ollama.Mode == config.ModeManaged && !f.Agent.Running {
		return failed(name, evidence+"; the agent is to start one of its own there", "stop that one, give another --ollama-url, or use --ollama-mode attached")
	}
	return ok(name, evidence)
}

func (f *Findings) binding() Check {
	const name = "binding"
	if f.Host.Ollama.Exposed {
		return warning(name, "it listens beyond this machine: whoever reaches the port may use and change it, past the control plane",
			"set OLLAMA_HOST=127.0.0.1 where it is started; requests come through the agent")
	}
	return ok(name, "on loopback alone")
}

func (f *Findings) parallel() Check {
	const name, variable = "requests at a time", "OLLAMA_NUM_PARALLEL="
	found := &f.Host.Ollama
	at := slices.IndexFunc(found.Environment, func(entry string) bool { return strings.HasPrefix(entry, variable) })
	switch {
	case f.Ollama.NumParallel > 0:
		return ok(name, fmt.Sprintf("%d for each model, by the settings", f.Ollama.NumParallel))
	case at >= 0:
		return ok(name, strings.TrimPrefix(found.Environment[at], variable)+" for each model, by its environment")
	case found.Process != "" && !found.Hidden:
		return ok(name, "not set; Ollama's own default holds")
	}
	return warning(name, "not known: its environment may not be read here. If the agent may not either, nobody waits in the control plane's line",
		"say it with --ollama-num-parallel, or run the agent as Ollama's user")
}

func (f *Findings) models() Check {
	const name = "models"
	dir := f.Host.Ollama.ModelsDir
	if dir == "" {
		return warning(name, "where they are stored is not known", "run this as root, or as Ollama's user")
	}
	for _, d := range f.Host.Disks {
		if d.Folder != dir {
			continue
		}
		evidence := fmt.Sprintf("%s, %s free", dir, size(d.FreeBytes))
		if d.FreeBytes < leastForModels {
			return warning(name, evidence, "make room, or have OLLAMA_MODELS name a larger disk")
		}
		return ok(name, evidence)
	}
	return warning(name, dir+" cannot be looked at", "run this as root, or as Ollama's user")
}

func (f *Findings) memory() Check {
	const name = "memory limit"
	limit, total := f.Ollama.MemoryLimit, f.Host.MemoryBytes
	switch {
	case limit == 0 || total > 0 && limit >= total:
		return ok(name, "none is set for Ollama's control group, or none that can be seen")
	case limit < total/2:
		return warning(name, fmt.Sprintf("Ollama's control group has %s of %s; a model beyond that gets it killed", size(limit), size(total)),
			"raise MemoryMax of its unit, or the container's limit")
	}
	return ok(name, fmt.Sprintf("%s of %s", size(limit), size(total)))
}

func (f *Findings) openFiles() Check {
	const name = "open files"
	var known []string
	for who, limit := range map[string]uint64{"the agent": f.Agent.OpenFiles, "Ollama": f.Ollama.OpenFiles} {
		switch {
		case limit == 0:
		case limit < leastOpenFiles:
			return warning(name, fmt.Sprintf("%s may have %d open", who, limit), fmt.Sprintf("LimitNOFILE=%d or more in its unit", leastOpenFiles))
		default:
			known = append(known, fmt.Sprintf("%s may have %d open", who, limit))
		}
	}
	if len(known) == 0 {
		return ok(name, "no limit can be seen while nothing runs")
	}
	slices.Sort(known)
	return ok(name, strings.Join(known, ", "))
}

func (f *Findings) driver() Check {
	const name = "GPU driver"
	nvidia := 0
	for _, g := range f.Host.GPUs {
		if g.Vendor == "NVIDIA" {
			nvidia++
		}
	}
	switch {
	case nvidia == 0:
		return ok(name, fmt.Sprintf("no NVIDIA GPU on the PCI bus, %d others", len(f.Host.GPUs)))
	case f.Host.Driver == "":
		return failed(name, fmt.Sprintf("%d NVIDIA GPUs on the PCI bus, and no driver is loaded; models run on the processor", nvidia), "install the driver, or modprobe nvidia; dmesg says why it fails")
	}
	for _, n := range f.Nodes {
		if n.Err != nil {
			return failed(name, fmt.Sprintf("driver %s is loaded, and %s cannot be used: %v", f.Host.Driver, n.Path, n.Err),
				"nvidia-modprobe -u makes the nodes; a user outside of their group, or a unit with PrivateDevices, cannot open them")
		}
	}
	return ok(name, fmt.Sprintf("%s, %d GPUs, %d device nodes", f.Host.Driver, nvidia, len(f.Nodes)))
}
