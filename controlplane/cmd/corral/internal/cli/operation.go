package cli

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/fault"
)

func (s *session) operationCommand() *cobra.Command {
	return group("op", "See and steer operations: what takes a while with models",
		s.operationListCommand(), s.operationShowCommand(), s.operationWatchCommand(),
		s.operationActionCommand("cancel ID", "End an operation early", "is being cancelled", (*client.Client).CancelOperation),
		s.operationActionCommand("retry ID", "Have an operation be tried again, now", "is tried again", (*client.Client).RetryOperation))
}

func (s *session) operationListCommand() *cobra.Command {
	var q client.OperationQuery
	var state string
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List the operations that are under way, and the latest that have ended", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 0 {
				return fault.New(fault.Invalid, "--ended is 0 or more, not %d", limit).On(fault.Caller)
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			switch q.State = client.OperationState(state); q.State {
			case "", client.OperationWaiting, client.OperationRunning, client.OperationDone, client.OperationFailed, client.OperationCancelled:
			default:
				return fault.New(fault.Invalid, "--state is waiting, running, done, failed or cancelled, not %q", state).On(fault.Caller)
			}
			all, err := c.Operations(cmd.Context(), q)
			if err != nil {
				return err
			}
			list := latest(all, limit)
			if s.output == outputJSON {
				return s.json(list)
			}
			if len(list) == 0 && (q.Model != "" || state != "") {
				_, err := fmt.Fprintln(s.Stdout, "there is no such operation")
				return err
			}
			return s.showOperations(list)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&q.Model, "model", "", "those of one model")
	flags.StringVar(&state, "state", "", "those that are waiting, running, done, failed or cancelled")
	flags.IntVar(&limit, "ended", 20, "how many of those that have ended")
	s.completeFlag(cmd, "model", s.modelNames)
	return cmd
}

// latest returns the operations that have not ended, and so many of the others.
func latest(all []client.Operation, ended int) []client.Operation {
	list := []client.Operation{}
	for i := range all {
		if all[i].State.Ended() {
			if ended--; ended < 0 {
				continue
			}
		}
		list = append(list, all[i])
	}
	return list
}

func (s *session) showOperations(list []client.Operation) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(s.Stdout, "nothing is under way")
		return err
	}
	t := newTable(s.Stdout, "ID", "KIND", "MODEL", "HOST", "STATE", "PROGRESS", "BEGAN", "MESSAGE")
	for i := range list {
		o := &list[i]
		t.row(o.ID, o.Kind, o.Model, o.Host, operationState(o), join(", ", portion(o.DoneBytes, o.TotalBytes), speed(o.BytesPerSecond), left(o)), s.since(o.CreatedAt)+" ago", operationMessage(o))
	}
	return t.flush()
}

// operationState is how an operation is, and what it is doing.
func operationState(o *client.Operation) string {
	if o.State == client.OperationRunning && o.Phase != "" {
		return o.Phase
	}
	return string(o.State)
}

// operationMessage is why an operation is as it is.
func operationMessage(o *client.Operation) string {
	if o.State == client.OperationWaiting {
		return join("; ", o.Message, o.Error)
	}
	return cmp.Or(o.Error, o.Message)
}

// left is how long an operation is expected to take yet.
func left(o *client.Operation) string {
	if o.RemainingSeconds == nil || *o.RemainingSeconds == 0 {
		return ""
	}
	return duration(time.Duration(*o.RemainingSeconds)*time.Second) + " left"
}

func (s *session) operationShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one operation", Args: exactly("ID"), ValidArgsFunction: s.completeArgs(s.operationIDs, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			o, err := c.Operation(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if s.output == outputJSON {
				return s.json(o)
			}
			return s.showOperation(o)
		},
	}
}

func (s *session) showOperation(o *client.Operation) error {
	t := newTable(s.Stdout)
	t.row("id", o.ID)
	t.row("kind", o.Kind)
	t.row("model", o.Model)
	if o.Host != "" {
		t.row("host", o.Host)
	}
	t.row("state", operationState(o))
	t.more(sentences(o.Message, o.Error)...)
	t.row("progress", join(", ", portion(o.DoneBytes, o.TotalBytes), speed(o.BytesPerSecond), left(o)))
	t.row("attempts", strconv.Itoa(o.Attempts))
	if !o.RetryAt.IsZero() {
		t.row("tried again", o.RetryAt.UTC().Format(time.DateTime))
	}
	t.row("began", o.CreatedAt.UTC().Format(time.DateTime))
	if !o.EndedAt.IsZero() {
		t.row("ended", o.EndedAt.UTC().Format(time.DateTime))
	}
	return t.flush()
}

// sentences are those that there are.
func sentences(all ...string) []string {
	var list []string
	for _, one := range all {
		if one != "" {
			list = append(list, one)
		}
	}
	return list
}

// operationActionCommand is a command that does one thing to an operation.
func (s *session) operationActionCommand(use, short, done string, act func(*client.Client, context.Context, string) (*client.Operation, error)) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: exactly("ID"), ValidArgsFunction: s.completeArgs(s.operationIDs, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			o, err := act(c, cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if s.output == outputJSON {
				return s.json(o)
			}
			became := done
			if o.ID != args[0] { // one that has ended stays as it is
				became += " as " + printable(o.ID)
			}
			_, err = fmt.Fprintf(s.Stdout, "operation %s %s\n", args[0], became)
			return err
		},
	}
}
