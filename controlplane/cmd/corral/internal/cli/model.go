package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/sdk/client"
)

func (s *session) modelCommand() *cobra.Command {
	return group("model", "See models, and bring them to hosts",
		s.modelListCommand(), s.modelShowCommand(), s.modelUploadCommand(), s.modelImportCommand(), s.modelFitCommand(), s.modelDownloadCommand(), s.modelDeleteCommand(),
		s.modelRestoreCommand(), s.modelPinCommand(), s.modelUnpinCommand(), s.modelLabelCommand(), s.modelAliasCommand(), s.modelDescribeCommand())
}

func (s *session) modelListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the models of the catalogue and of all hosts", Args: exactly(),
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
		_, err := fmt.Fprintln(s.Stdout, "no model is stored, and no host that is connected has one")
		return err
	}
	t := newTable(s.Stdout, "NAME", "SIZE", "PARAMETERS", "QUANTIZATION", "STATUS", "PROGRESS", "HOSTS")
	for i := range models {
		m := &models[i]
		t.row(m.Name, size(m.SizeBytes), parametersOf(m), m.Quantized, statusOf(m), progressOf(m), hostsOf(m))
	}
	return errors.Join(t.flush(), s.showFailed(models))
}

// showFailed says why models are none, which is too long for a cell.
func (s *session) showFailed(models []client.Model) error {
	failed := slices.DeleteFunc(slices.Clone(models), func(m client.Model) bool { return m.Status != "failed" || len(m.Problems) == 0 })
	if len(failed) == 0 {
		return nil
	}
	return s.section("FAILED\tWHY", func(t *table) {
		for i := range failed {
			t.row(failed[i].Name, failed[i].Problems[0])
		}
	})
}

// statusOf is how a model is, with what makes it more than that.
func statusOf(m *client.Model) string {
	status := m.Status
	if m.PurgeAt.After(m.DeletedAt) && len(m.Residencies) == 0 && len(m.Files) > 0 {
		status = "deleted, kept until " + m.PurgeAt.UTC().Format(time.DateTime)
	}
	if m.Conflict {
		status += ", differs between hosts"
	}
	if m.Pinned {
		status += ", pinned"
	}
	return status
}

func progressOf(m *client.Model) string {
	if m.Progress == nil {
		return unknown
	}
	return strconv.Itoa(*m.Progress) + "%"
}

// parametersOf is how many parameters a model has: as hosts say it, or else as its files
// do.
func parametersOf(m *client.Model) string {
	switch n := float64(m.ParameterCount); {
	case m.Parameters != "" || n <= 0:
		return m.Parameters
	case n >= 1e9:
		return strconv.FormatFloat(n/1e9, 'f', 1, 64) + "B"
	default:
		return strconv.FormatFloat(n/1e6, 'f', 2, 64) + "M"
	}
}

// hostsOf is the names of the hosts that have a model, those first that have it in
// memory, and how many more are to have it.
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
	text := strings.Join(slices.Compact(append(loaded, stored...)), ", ")
	if n := toCome(m); n > 0 {
		text = join(", ", text, fmt.Sprintf("%d to come", n))
	}
	return text
}

// toCome is how many hosts are to have a model and have none of its name.
func toCome(m *client.Model) (n int) {
	for _, id := range m.WantedOn {
		if !slices.ContainsFunc(m.Residencies, func(r client.Residency) bool { return r.HostID == id }) {
			n++
		}
	}
	return n
}
