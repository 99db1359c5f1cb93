package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/sdk/client"
)

func (s *session) gpuCommand() *cobra.Command {
	return group("gpu", "See the GPUs of a host, and let go of them", s.gpuShowCommand(), s.gpuProcessesCommand(), s.gpuReleaseCommand(),
		s.hostActionCommand("acquire HOST", "Read the GPUs of a host again",
			`Read the GPUs of a host again before the time of their release is over, or right
away where reading them failed.`,
			"the GPUs of host %s are read again\n", (*client.Client).AcquireGPUs))
}

func (s *session) gpuReleaseCommand() *cobra.Command {
	var d time.Duration
	cmd := &cobra.Command{
		Use: "release HOST", Short: "Let go of the GPU driver of a host for a while", Args: exactly("HOST"),
		Long: `Let go of the GPU driver of a host for a while, as for its upgrade or to reset a
GPU. It returns when the agent holds it no more; nothing is known of the GPUs
until the time is over or corral gpu acquire ends it. Ollama holds the driver as
well: drain the host and stop its Ollama first.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			done := fmt.Sprintf("the agent of host %s holds the GPU driver no more, for %s\n", args[0], d)
			return s.act(done, func(c *client.Client) (*client.Host, error) {
				return c.ReleaseGPUs(cmd.Context(), args[0], d)
			})
		},
	}
	cmd.Flags().DurationVar(&d, "for", 10*time.Minute, "how long, a day at most")
	return cmd
}

func (s *session) gpuShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show HOST", Short: "Show all that is known of a host's GPUs", Args: exactly("HOST"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			gpus, err := c.GPUs(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if s.output == outputJSON {
				return s.json(gpus)
			}
			return s.showCards(gpus)
		},
	}
}

func (s *session) showCards(g *client.HostGPUs) error {
	t := newTable(s.Stdout)
	t.row("state", join(": ", g.State, g.Message))
	if fake := notReal(g.Source); fake != "" {
		t.row("source", fake)
	}
	t.row("driver", join(", ", g.DriverVersion, prefixed("in the kernel ", g.KernelModuleVersion), prefixed("NVML ", g.NVMLVersion), prefixed("CUDA ", g.CUDAVersion)))
	for _, c := range g.Conditions {
		t.row("note", c.Message)
	}
	for i := range g.Cards {
		if err := t.flush(); err != nil {
			return err
		}
		fmt.Fprintln(s.Stdout)
		c := &g.Cards[i]
		t.row("gpu", c.UUID)
		t.row("at", join(", ", c.Address, prefixed("serial ", c.Serial), prefixed("VBIOS ", c.VBIOS)))
		t.row("kind", join(", ", c.Architecture, prefixed("compute capability ", c.ComputeCapability)))
		if c.UnaccountedBytes != nil {
			t.row("unaccounted", size(*c.UnaccountedBytes)+" of its memory belongs to no process")
		}
		for _, p := range c.Parts {
			t.row("part", join(", ", p.Name, p.UUID, partMemory(&p)))
		}
		for _, name := range slices.Sorted(maps.Keys(c.Figures)) {
			t.row(name, strconv.FormatInt(c.Figures[name], 10))
		}
	}
	return t.flush()
}

func partMemory(p *client.GPUPart) string {
	if p.MemoryTotalBytes == nil || p.MemoryUsedBytes == nil {
		return ""
	}
	return zeroSize(*p.MemoryUsedBytes) + " of " + size(*p.MemoryTotalBytes)
}

func (s *session) gpuProcessesCommand() *cobra.Command {
	return &cobra.Command{
		Use: "processes HOST", Short: "List who uses the GPUs of a host", Args: exactly("HOST"),
		Long: `List the processes that use the GPUs of a host, also those that have nothing to
do with Ollama. Command lines are not shown: they may hold secrets.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			processes, err := c.GPUProcesses(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if s.output == outputJSON {
				return s.json(processes)
			}
			if len(processes) == 0 {
				_, err := fmt.Fprintln(s.Stdout, "no process is known to use a GPU there")
				return err
			}
			t := newTable(s.Stdout, "GPU", "PID", "USER", "PROGRAM", "KIND", "MEMORY", "OLLAMA")
			for i := range processes {
				p := &processes[i]
				memory := unknown
				if p.MemoryBytes != nil {
					memory = zeroSize(*p.MemoryBytes)
				}
				t.row(p.GPU, strconv.Itoa(p.PID), p.User, p.Name, p.Kind, memory, p.Instance)
			}
			return t.flush()
		},
	}
}

// showGPUs is the part of a host's GPUs in what is shown of the host.
func (s *session) showGPUs(h *client.Host) error {
	if h.Sample == nil || len(h.Sample.GPUs) == 0 {
		return nil
	}
	fmt.Fprintln(s.Stdout)
	t := newTable(s.Stdout, "GPU", "NAME", "STATE", "BUSY", "MEMORY", "HEAT", "POWER", "SLOWED BY")
	for i := range h.Sample.GPUs {
		g := &h.Sample.GPUs[i]
		slowed := "nothing"
		switch {
		case g.State == client.GPUUnknown || g.SMClockMHz == nil:
			slowed = unknown
		case len(g.Throttled) > 0:
			slowed = join(", ", g.Throttled...)
		}
		t.row(strconv.Itoa(g.Index), join(" ", g.Name, bracketed(notReal(g.Source))), join(": ", string(g.State), g.Message),
			percent(g.UtilizationPercent), gpuMemory(g), amount(g.TemperatureCelsius, "°C"), amount(g.PowerWatts, "W"), slowed)
	}
	if err := t.flush(); err != nil {
		return err
	}
	return s.showEvents(h.GPUReport)
}

func (s *session) showEvents(r *client.GPUReport) error {
	if r == nil || len(r.Events) == 0 {
		return nil
	}
	fmt.Fprintln(s.Stdout)
	t := newTable(s.Stdout, "GPU EVENT", "AT", "WHAT", "TO DO")
	for i := range r.Events {
		e := &r.Events[i]
		t.row(cmp.Or(e.UUID, e.Address), e.At.UTC().Format(time.DateTime), e.Message, e.Advice)
	}
	return t.flush()
}

// gpus says in a line how a host's GPUs are read, "" where it has none.
func (s *session) gpus(h *client.Host) string {
	r := h.GPUReport
	if r == nil || r.State == "none" {
		return ""
	}
	text := r.State
	switch {
	case r.State == "released" && r.ReleasedUntil.After(s.Now()):
		text += ", read again in " + duration(r.ReleasedUntil.Sub(s.Now()))
	case r.State == "ok" && h.Sample != nil:
		text = count(len(h.Sample.GPUs), "GPU")
	}
	return join(", ", text, notReal(r.Source), prefixed("driver ", r.DriverVersion), prefixed("CUDA ", r.CUDAVersion))
}

// notReal says of a source that it made up what it tells, "" of one that did not.
func notReal(source string) string {
	switch source {
	case "", "nvml", "auto", "none":
		return ""
	}
	return "not real: " + source
}

func gpuMemory(g *client.GPU) string {
	if g.MemoryUsedBytes == nil || g.MemoryTotalBytes == nil {
		return unknown
	}
	return zeroSize(*g.MemoryUsedBytes) + " of " + size(*g.MemoryTotalBytes)
}

// zeroSize is a size that is known, also where it is 0.
func zeroSize(bytes int64) string {
	if bytes == 0 {
		return "0 B"
	}
	return size(bytes)
}

func amount(v *float64, unit string) string {
	if v == nil {
		return unknown
	}
	return strconv.FormatFloat(*v, 'f', 0, 64) + " " + unit
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

func bracketed(text string) string {
	if text == "" {
		return ""
	}
	return "(" + text + ")"
}
