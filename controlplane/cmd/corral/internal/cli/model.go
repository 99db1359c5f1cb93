package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/sdk/client"
)

func (s *session) modelCommand() *cobra.Command {
	return group("model", "See models", s.modelListCommand())
}

func (s *session) modelListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the models of all hosts", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			models, err := c.Models(cmd.Context())
			if err != nil {
				return err
			}
			if s.output == outputJSON {
				return s.json(models)
			}
			return s.showModels(models)
		},
	}
}

func (s *session) showModels(models []client.Model) error {
	if len(models) == 0 {
		_, err := fmt.Fprintln(s.Stdout, "no host that is connected has a model")
		return err
	}
	t := newTable(s.Stdout, "NAME", "SIZE", "PARAMETERS", "QUANTIZATION", "STATUS", "HOSTS")
	for i := range models {
		m := &models[i]
		status := m.Status
		if m.Conflict {
			status += ", differs between hosts"
		}
		t.row(m.Name, size(m.SizeBytes), m.Parameters, m.Quantized, status, hostsOf(m))
	}
	return t.flush()
}

// hostsOf is the names of the hosts that have a model, those first that have it
// in memory.
func hostsOf(m *client.Model) string {
	var loaded, stored []string
	for _, r := range m.Residencies {
		if r.Status == "loaded" {
			loaded = append(loaded, r.Host)
		} else {
			stored = append(stored, r.Host)
		}
	}
	slices.Sort(loaded)
	slices.Sort(stored)
	return strings.Join(slices.Compact(append(loaded, stored...)), ", ")
}
