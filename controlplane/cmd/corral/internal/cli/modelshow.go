package cli

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/sdk/client"
)

func (s *session) modelShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show MODEL", Short: "Show all that is known of a model, by its name or id", Args: exactly("MODEL"), ValidArgsFunction: s.completeArgs(s.modelNames, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			m, err := c.Model(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if s.output == outputJSON {
				return s.json(m)
			}
			to, err := coming(cmd.Context(), c, m)
			if err != nil {
				return err
			}
			return s.showModel(m, to)
		},
	}
}

// comingTo is what is known of the hosts that are to have a model and don't have it.
type comingTo struct {
	name string // of the host; empty is unknown
	how  string // how it gets there, in words; empty is unknown
}

// coming returns what is known of the hosts to which a model is to come, by their ids.
func coming(ctx context.Context, c *client.Client, m *client.Model) (map[string]comingTo, error) {
	to := map[string]comingTo{}
	if toCome(m) == 0 {
		return to, nil
	}
	hosts, err := c.Hosts(ctx)
	if err != nil {
		return nil, err
	}
	operations, err := c.Operations(ctx, client.OperationQuery{Model: m.ID})
	if err != nil {
		return nil, err
	}
	for i := range hosts {
		is := comingTo{name: hosts[i].Name}
		for o := range operations { // the latest first
			op := &operations[o]
			if op.Kind != "download" || op.HostID != hosts[i].ID {
				continue
			}
			if op.State != client.OperationDone { // else the host had it, and it is brought again
				is.how = operationReading(op).text
			}
			break
		}
		to[hosts[i].ID] = is
	}
	return to, nil
}

// showModel shows a model, and what is known of the hosts to which it is to come.
func (s *session) showModel(m *client.Model, to map[string]comingTo) error {
	t := newTable(s.Stdout)
	t.row("name", m.Name)
	t.row("id", m.ID)
	t.row("status", statusOf(m))
	t.more(m.Problems...)
	if m.Progress != nil {
		t.row("progress", progressOf(m))
	}
	if m.Description != nil {
		lines := strings.Split(*m.Description, "\n")
		t.row("description", lines[0])
		t.more(lines[1:]...)
	}
	if len(m.Aliases) > 0 {
		t.row("aliases", strings.Join(m.Aliases, ", "))
	}
	t.row("labels", labels(m.Labels))
	t.row("size", size(m.SizeBytes))
	t.row("is", join(", ", m.Format, m.Family, parametersOf(m), m.Quantized))
	if m.ContextTokens > 0 {
		t.row("context", strconv.FormatInt(m.ContextTokens, 10)+" tokens")
	}
	if len(m.Capabilities) > 0 {
		t.row("can", strings.Join(m.Capabilities, ", "))
	}
	if m.License != "" {
		t.row("license", m.License)
	}
	if len(m.Notes) > 0 {
		t.row("notes", m.Notes[0])
		t.more(m.Notes[1:]...)
	}
	t.row("digest", m.Digest)
	if len(m.Digests) > 1 {
		t.more(slices.DeleteFunc(slices.Clone(m.Digests), func(d string) bool { return d == m.Digest })...)
	}
	if !m.DeletedAt.IsZero() {
		t.row("deleted", s.since(m.DeletedAt)+" ago; its files go at "+m.PurgeAt.UTC().Format(time.DateTime))
	}
	if err := t.flush(); err != nil {
		return err
	}
	if err := s.showModelHosts(m, to); err != nil {
		return err
	}
	return s.showModelFiles(m)
}

// showModelHosts shows where a model is, and where it is to be.
func (s *session) showModelHosts(m *client.Model, to map[string]comingTo) error {
	type line struct{ host, instance, status, digest string }
	var lines []line
	for _, r := range m.Residencies {
		status := r.Status
		if len(m.WantedOn) > 0 && !slices.Contains(m.WantedOn, r.HostID) {
			status += ", by itself" // nobody here put it there
		}
		lines = append(lines, line{r.Host, r.Instance, status, r.Digest})
	}
	for _, id := range m.WantedOn {
		if !slices.ContainsFunc(m.Residencies, func(r client.Residency) bool { return r.HostID == id }) {
			lines = append(lines, line{host: cmp.Or(to[id].name, id), status: cmp.Or(to[id].how, "to come")})
		}
	}
	if len(lines) == 0 {
		return nil
	}
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(a.host, b.host) })
	return s.section("HOST\tINSTANCE\tSTATUS\tDIGEST", func(t *table) {
		for _, l := range lines {
			t.row(l.host, l.instance, l.status, short(l.digest))
		}
	})
}

func (s *session) showModelFiles(m *client.Model) error {
	if len(m.Files) == 0 {
		return nil
	}
	return s.section("FILE\tSIZE\tSTORAGE\tKEY\tSHA256", func(t *table) {
		for i := range m.Files {
			f := &m.Files[i]
			t.row(f.Path, size(f.SizeBytes), f.Storage, f.Key, short(f.SHA256))
		}
	})
}

// section is a table of its own below others; headings are separated by tabs.
func (s *session) section(headings string, rows func(*table)) error {
	if _, err := s.Stdout.Write([]byte("\n")); err != nil {
		return err
	}
	t := newTable(s.Stdout, strings.Split(headings, "\t")...)
	rows(t)
	return t.flush()
}

// short is as much of a digest as tells it from others.
func short(digest string) string { return digest[:min(12, len(digest))] }
