package cli

import (
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
		Use: "show HOST", Short: "Show all that is known of a host, by its name or id", Args: exactly("HOST"),
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
	t.row("agent", h.Facts.AgentVersion)
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
	for i := range h.Instances {
		if err := s.showInstance(&h.Instances[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) showInstance(instance *client.Instance) error {
	fmt.Fprintln(s.Stdout)
	t := newTable(s.Stdout, "OLLAMA", "MODE", "STATE", "VERSION", "UP", "BUSY", "RESTARTS")
	t.row(instance.Name, instance.Mode, instance.State, instance.Version,
		s.since(instance.StartedAt), strconv.Itoa(instance.InFlight), s.restarts(instance))
	if err := t.flush(); err != nil || len(instance.Models) == 0 {
		return err
	}
	fmt.Fprintln(s.Stdout)
	t = newTable(s.Stdout, "MODEL", "SIZE", "PARAMETERS", "QUANTIZATION", "IN MEMORY", "ON GPU")
	for _, m := range instance.Models {
		inMemory, onGPU := "no", unknown
		for _, l := range instance.Loaded {
			if l.Digest == m.Digest && l.Name == m.Name {
				inMemory, onGPU = size(l.SizeBytes), share(l.SizeVRAMBytes, l.SizeBytes)
			}
		}
		t.row(m.Name, size(m.SizeBytes), m.ParameterSize, m.Quantization, inMemory, onGPU)
	}
	return t.flush()
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
