package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/corral-fleet/corral/agent/internal/survey"
)

// printSurvey prints what was found on a host.
func printSurvey(w io.Writer, h *survey.Host) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("host", "%s", join(h.Hostname, h.Platform, h.Kernel, h.Arch))
	row("processors", "%s", join(h.CPUModel, fmt.Sprintf("%d cores", h.CPUCores)))
	row("memory", "%s", bytesText(h.MemoryBytes))
	for _, d := range h.Disks {
		row("disk", "%s: %s of %s free", d.Folder, bytesText(d.FreeBytes), bytesText(d.TotalBytes))
	}
	for _, g := range h.GPUs {
		row("gpu", "%s", join(strings.TrimSpace(g.Vendor+" "+strings.TrimPrefix(g.Model, g.Vendor+" ")), g.Address))
	}
	if len(h.GPUs) == 0 {
		row("gpu", "none on the PCI bus")
	}
	if h.Driver != "" {
		row("driver", "NVIDIA %s", h.Driver)
	}
	ollamaRows(row, &h.Ollama)
	return t.Flush()
}

func ollamaRows(row func(name, format string, args ...any), o *survey.Ollama) {
	if o.Err != nil {
		row("ollama", "none answers at %s", o.URL)
		if o.Process != "" {
			row("", "%s (process %d) listens there", o.Process, o.PID)
		}
		return
	}
	row("ollama", "%s at %s, %d models", o.Version, o.URL, len(o.Models))
	if o.Exposed {
		row("", "it listens beyond this machine, where anybody may use and change it")
	}
	if o.Process != "" {
		row("run by", "%s", join(fmt.Sprintf("%s (process %d)", o.Process, o.PID), "user "+o.User, unitText(o.Unit)))
	} else {
		row("run by", "somebody whose processes may not be seen; root sees more")
	}
	switch {
	case o.Hidden:
		row("environment", "may not be read; root sees it")
	case len(o.Environment) > 0:
		row("environment", "%s", strings.Join(o.Environment, " "))
	}
	if len(o.Clients) > 0 {
		row("in use by", "%s", strings.Join(o.Clients, ", "))
	}
	for i, m := range o.Models {
		name := ""
		if i == 0 {
			name = "models"
		}
		row(name, "%s, %s", m.Name, bytesText(uint64(max(m.SizeBytes, 0))))
	}
}

func unitText(unit string) string {
	if unit == "" {
		return ""
	}
	return "unit " + unit
}

// join joins what is known of some words.
func join(words ...string) string {
	kept := words[:0]
	for _, w := range words {
		if w != "" {
			kept = append(kept, w)
		}
	}
	return strings.Join(kept, ", ")
}

// bytesText is a size as people read it.
func bytesText(n uint64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/1024, 0
	for value >= 1024 && unit < len(units)-1 {
		value, unit = value/1024, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", value, units[unit])
}
