package cli

import (
	"bufio"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/fault"
)

func (s *session) modelDeleteCommand() *cobra.Command {
	var d client.Deletion
	var yes bool
	cmd := &cobra.Command{
		Use: "delete MODEL", Short: "Delete a model from hosts, or from everywhere", Args: exactly("MODEL"), ValidArgsFunction: s.completeArgs(s.modelNames, nil),
		Long: `Delete a model from all hosts, and a day later its files and what the catalogue has of
it; until then, corral model restore takes that back. With --hosts, only those let go
of it. A host that is away does so when it is back. A terminal is asked first; where
there is none, --yes has to say that it is meant.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := apart(cmd, [2]string{"hosts", "purge"}); err != nil {
				return err
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			if !yes {
				if err := s.agreeToDelete(cmd.Context(), c, args[0], &d); err != nil {
					return err
				}
			}
			return s.actOnModel(func() (*client.Model, error) { return c.DeleteModel(cmd.Context(), args[0], d) }, func(m *client.Model) string {
				switch {
				case len(d.Hosts) > 0:
					return fmt.Sprintf("model %s goes from %s", m.Name, strings.Join(d.Hosts, ", "))
				case len(m.Files) == 0 && len(m.Residencies) > 0:
					return fmt.Sprintf("model %s goes from its hosts", m.Name)
				case len(m.Files) == 0:
					return fmt.Sprintf("model %s is deleted", m.Name)
				case d.Purge:
					return fmt.Sprintf("model %s is deleted, for good", m.Name)
				}
				return fmt.Sprintf("model %s is deleted; its files go at %s, and until then corral model restore brings it back", m.Name, m.PurgeAt.UTC().Format(time.DateTime))
			})
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&d.Hosts, "hosts", nil, "only from these hosts, by name or id, with commas")
	flags.BoolVar(&d.Purge, "purge", false, "delete its files at once, so that nothing brings it back")
	flags.BoolVarP(&yes, "yes", "y", false, "don't ask")
	s.completeFlag(cmd, "hosts", s.hostNames)
	return cmd
}

// agreeToDelete asks on the terminal whether a model is to be deleted.
func (s *session) agreeToDelete(ctx context.Context, c *client.Client, model string, d *client.Deletion) error {
	if !isTerminal(s.Stdin) {
		return fault.New(fault.Invalid, "nothing was deleted: there is no terminal to ask on; agree with --yes").On(fault.Caller)
	}
	m, err := c.Model(ctx, model)
	if err != nil {
		return err
	}
	from := "everywhere"
	if len(d.Hosts) > 0 {
		from = strings.Join(d.Hosts, ", ")
	} else if hosts := hostsOf(m); hosts != "" {
		from += " (" + hosts + ")"
	}
	if d.Purge {
		from += ", for good"
	}
	fmt.Fprintf(s.Stderr, "Delete %s, %s, from %s? [y/N] ", printable(m.Name), size(m.SizeBytes), printable(from))
	// Reading from a terminal can't be broken off; who ends the program at the question ends
	// the reading with it.
	answers := make(chan string, 1)
	go func() {
		answer, _ := bufio.NewReader(s.Stdin).ReadString('\n') // none is a no
		answers <- answer
	}()
	select {
	case answer := <-answers:
		if a := strings.ToLower(strings.TrimSpace(answer)); a == "y" || a == "yes" {
			return nil
		}
	case <-ctx.Done():
		s.unfinished = "nothing was deleted"
	}
	return fault.New(fault.Conflict, "nothing was deleted")
}

func (s *session) modelRestoreCommand() *cobra.Command {
	return s.modelActionCommand("restore MODEL", "Take the deletion of a model back",
		`Take the deletion of a model back, as long as its files are there. Hosts get it again
by corral model download.`, "model %s is restored", (*client.Client).RestoreModel)
}

func (s *session) modelPinCommand() *cobra.Command {
	return s.modelActionCommand("pin MODEL", "Keep a model on hosts that need room", "", "model %s is pinned", pinned(true))
}

func (s *session) modelUnpinCommand() *cobra.Command {
	return s.modelActionCommand("unpin MODEL", "Let hosts that need room have a model go", "", "model %s is pinned no more", pinned(false))
}

func pinned(is bool) func(*client.Client, context.Context, string) (*client.Model, error) {
	return func(c *client.Client, ctx context.Context, model string) (*client.Model, error) {
		return c.ChangeModel(ctx, model, client.ModelPatch{Pinned: &is})
	}
}

// modelActionCommand is a command that does one thing to a model.
func (s *session) modelActionCommand(use, short, long, done string, act func(*client.Client, context.Context, string) (*client.Model, error)) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Long: long, Args: exactly("MODEL"), ValidArgsFunction: s.completeArgs(s.modelNames, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			return s.actOnModel(func() (*client.Model, error) { return act(c, cmd.Context(), args[0]) },
				func(m *client.Model) string { return fmt.Sprintf(done, m.Name) })
		},
	}
}

func (s *session) modelLabelCommand() *cobra.Command {
	return &cobra.Command{
		Use: "label MODEL NAME=VALUE|NAME- ...", Short: "Give labels to a model, or take them away", ValidArgsFunction: s.completeArgs(s.modelNames, nil),
		Long: `Give labels to a model, or take them away: NAME=VALUE sets one, NAME- takes one
away. The others stay as they are.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := atLeast("MODEL", "NAME=VALUE")(cmd, args); err != nil {
				return err
			}
			_, err := relabelled(nil, args[1:])
			return err
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			before, err := c.Model(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			labels, err := relabelled(before.Labels, args[1:])
			if err != nil {
				return err
			}
			return s.actOnModel(func() (*client.Model, error) {
				return c.ChangeModel(cmd.Context(), args[0], client.ModelPatch{Labels: labels})
			}, func(m *client.Model) string { return fmt.Sprintf("model %s is labelled", m.Name) })
		},
	}
}

func (s *session) modelDescribeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "describe MODEL TEXT", Short: "Say what a model is for", Args: exactly("MODEL", "TEXT"), ValidArgsFunction: s.completeArgs(s.modelNames, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			return s.actOnModel(func() (*client.Model, error) {
				return c.ChangeModel(cmd.Context(), args[0], client.ModelPatch{Description: &args[1]})
			}, func(m *client.Model) string { return fmt.Sprintf("model %s is described", m.Name) })
		},
	}
}

// actOnModel changes a model and tells that it is done: by a sentence, or by the model as
// it is now.
func (s *session) actOnModel(change func() (*client.Model, error), done func(*client.Model) string) error {
	m, err := change()
	if err != nil {
		return err
	}
	if s.output == outputJSON {
		return s.json(m)
	}
	_, err = fmt.Fprintln(s.Stdout, printable(done(m)))
	return err
}
