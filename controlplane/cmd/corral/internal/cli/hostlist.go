package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/sdk/client"
)

func (s *session) hostListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the hosts", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			hosts, err := c.Hosts(cmd.Context())
			if err != nil {
				return err
			}
			if s.output == outputJSON {
				return s.json(hosts)
			}
			return s.showHosts(hosts)
		},
	}
}

func (s *session) showHosts(hosts []client.Host) error {
	if len(hosts) == 0 {
		_, err := fmt.Fprintln(s.Stdout, "no host has joined yet; corral-controlplane token create makes a token for one")
		return err
	}
	t := newTable(s.Stdout, "NAME", "STATE", "OLLAMA", "MODELS", "LOADED", "BUSY", "CPU", "MEMORY", "SEEN")
	for i := range hosts {
		h := &hosts[i]
		models, loaded, busy := counts(h)
		t.row(h.Name, stateOf(h), ollamaOf(h), models, loaded, busy, cpu(h.Sample), memory(h.Sample), s.seen(h))
	}
	return t.flush()
}

// stateOf is a host's state with what an operator did to it.
func stateOf(h *client.Host) string {
	if h.Draining {
		return string(h.State) + ", drained"
	}
	return string(h.State)
}

// seen is when a host was last heard of.
func (s *session) seen(h *client.Host) string {
	switch {
	case h.State == client.HostOnline || h.State == client.HostDegraded:
		return "now"
	case h.SeenAt.IsZero():
		return "never"
	}
	return s.since(h.SeenAt) + " ago"
}

// ollamaOf is the versions of a host's Ollamas, and the states of those that
// are not ready.
func ollamaOf(h *client.Host) string {
	words := make([]string, 0, len(h.Instances))
	for i := range h.Instances {
		instance := &h.Instances[i]
		word := instance.Version
		if word == "" {
			word = instance.State
		} else if instance.State != "ready" {
			word += " " + instance.State
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

// counts are the models, the loaded ones and the requests under way over all
// Ollamas of a host; what no Ollama has told yet is unknown.
func counts(h *client.Host) (models, loaded, busy string) {
	known := false
	var stored, inMemory, inFlight int
	for i := range h.Instances {
		instance := &h.Instances[i]
		known = known || instance.ModelsKnown
		stored += len(instance.Models)
		inMemory += len(instance.Loaded)
		inFlight += instance.InFlight
	}
	if len(h.Instances) > 0 {
		busy = strconv.Itoa(inFlight)
	}
	if known {
		models, loaded = strconv.Itoa(stored), strconv.Itoa(inMemory)
	}
	return models, loaded, busy
}
