package cli

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/sdk/client"
)

func (s *session) hostShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show HOST", Short: "Show all that is known of a host, by its name or id", Args: exactly("HOST"), ValidArgsFunction: s.completeArgs(s.hostNames, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			host, err := c.Host(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if s.output == outputJSON {
				return s.json(host)
			}
			return s.showHost(host)
		},
	}
}

func (s *session) showHost(h *client.Host) error {
	t := newTable(s.Stdout)
	t.row("name", h.Name)
	t.row("id", h.ID)
	t.row("state", stateOf(h))
	t.row("labels", labels(h.Labels))
	t.row("system", join(", ", h.Facts.Platform, h.Facts.Arch, h.Facts.Kernel))
	t.row("cpu", join(", ", h.Facts.CPUModel, count(h.Facts.CPUCores, "core"), cpu(h.Sample)))
	t.row("memory", memory(h.Sample))
	if gpus := s.gpus(h); gpus != "" {
		t.row("gpus", gpus)
	}
	t.row("agent", h.Facts.AgentVersion)
	if h.Facts.PeerAddress != "" {
		t.row("peers", h.Facts.PeerAddress)
	}
	t.row("joined", h.JoinedAt.UTC().Format(time.DateTime))
	if h.ConnectedAt.IsZero() || h.State != client.HostOnline && h.State != client.HostDegraded {
		t.row("seen", s.seen(h))
	} else {
		t.row("connected", s.since(h.ConnectedAt))
	}
	for i, p := range h.Problems {
		if i == 0 {
			t.row("problems", p.Message)
		} else {
			t.more(p.Message)
		}
	}
	if err := t.flush(); err != nil {
		return err
	}
	if err := s.showGPUs(h); err != nil {
		return err
	}
	for i := range h.Instances {
		if err := s.showInstance(&h.Instances[i], h.Sample); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) showInstance(instance *client.Instance, sample *client.Sample) error {
	fmt.Fprintln(s.Stdout)
	t := newTable(s.Stdout, "OLLAMA", "MODE", "STATE", "VERSION", "UP", "BUSY", "RESTARTS")
	t.row(instance.Name, instance.Mode, instance.State, instance.Version,
		s.since(instance.StartedAt), strconv.Itoa(instance.InFlight), s.restarts(instance))
	if err := errors.Join(t.flush(), s.showUnit(instance)); err != nil || len(instance.Models) == 0 {
		return err
	}
	fmt.Fprintln(s.Stdout)
	t = newTable(s.Stdout, "MODEL", "SIZE", "PARAMETERS", "QUANTIZATION", "IN MEMORY", "ON GPU")
	for _, m := range instance.Models {
		inMemory, onGPU := "no", unknown
		for _, l := range instance.Loaded {
			if l.Digest == m.Digest && l.Name == m.Name {
				inMemory, onGPU = size(l.SizeBytes), join(" of ", share(l.SizeVRAMBytes, l.SizeBytes), onGPUs(l.GPUs, sample))
			}
		}
		t.row(m.Name, size(m.SizeBytes), m.ParameterSize, m.Quantization, inMemory, onGPU)
	}
	return t.flush()
}

// showUnit shows how systemd has an Ollama, where it does, and what a restart of it
// would change.
func (s *session) showUnit(instance *client.Instance) error {
	unit := instance.Unit
	if unit == nil {
		return nil
	}
	memory := unknown
	if unit.MemoryBytes > 0 {
		memory = size(unit.MemoryBytes)
	}
	fmt.Fprintln(s.Stdout)
	t := newTable(s.Stdout, "UNIT", "STATE", "RESULT", "RESTARTS", "MEMORY")
	t.row(unit.Name, unit.ActiveState+" ("+unit.SubState+")", unit.Result, strconv.Itoa(unit.RestartCount), memory)
	err := t.flush()
	if instance.Reason == client.ReasonSettingsPending {
		fmt.Fprintf(s.Stdout, "\n%s\n", instance.Message)
	}
	return err
}

// restarts is how often an Ollama was restarted, and why it was the last time.
func (s *session) restarts(instance *client.Instance) string {
	text := strconv.Itoa(instance.RestartCount)
	if n := len(instance.Restarts); n > 0 {
		last := instance.Restarts[n-1]
		text += fmt.Sprintf(", %s %s ago", last.Cause, s.since(last.At))
	}
	return text
}

// share is a part of a whole in percent.
func share(part, whole int64) string {
	if whole <= 0 {
		return unknown
	}
	p := 100 * float64(part) / float64(whole)
	return percent(&p)
}

// onGPUs says on which GPUs a model is, "" where it is on none or that isn't known.
func onGPUs(shares []client.GPUShare, sample *client.Sample) string {
	var places []string
	for _, share := range shares {
		place := share.UUID
		if sample != nil {
			for i := range sample.GPUs {
				if sample.GPUs[i].UUID == share.UUID {
					place = strconv.Itoa(sample.GPUs[i].Index)
				}
			}
		}
		places = append(places, place)
	}
	if len(places) == 0 {
		return ""
	}
	return "it on GPU " + strings.Join(places, ", ")
}

func labels(set map[string]string) string {
	pairs := make([]string, 0, len(set))
	for _, name := range slices.Sorted(maps.Keys(set)) {
		pairs = append(pairs, name+"="+set[name])
	}
	return strings.Join(pairs, " ")
}

// count is a number of things, "" when it is not known.
func count(n int, thing string) string {
	switch {
	case n <= 0:
		return ""
	case n == 1:
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}

// join joins what is known of some words.
func join(separator string, words ...string) string {
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" || w == unknown }), separator)
}
