package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/fault"
)

func (s *session) operationWatchCommand() *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "watch [ID...]", Short: "Follow operations until they have ended", ValidArgsFunction: s.completeArgs(s.operationIDs),
		Long: `Follow operations until they have ended: those that are named, or else all that are
under way, but for those that wait for a host which can't be reached. The exit status is
0 where all of them were done.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			return s.waitFor(cmd.Context(), timeout, func(ctx context.Context) error { return s.watch(ctx, c, args) })
		},
	}
	timeoutFlag(cmd, &timeout)
	return cmd
}

// timeoutFlag says for how long a command waits.
func timeoutFlag(cmd *cobra.Command, timeout *time.Duration) {
	cmd.Flags().DurationVar(timeout, "timeout", 0, "give up waiting after so long, such as 10m; what was begun goes on (default never)")
}

// waitFor runs a command that waits, with its time limit.
func (s *session) waitFor(ctx context.Context, timeout time.Duration, wait func(context.Context) error) error {
	s.unfinished = "interrupted; what was begun goes on, as corral op list shows"
	if timeout <= 0 {
		return wait(ctx)
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := wait(limited)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return fault.New(fault.Timeout, "it has not ended within %s; it goes on, as corral op list shows", timeout)
	}
	return err
}

// watch follows operations, and shows them as they are in the end.
func (s *session) watch(ctx context.Context, c *client.Client, ids []string) error {
	nothing := "nothing is under way; corral op list shows what has ended"
	if len(ids) == 0 {
		all, err := c.Operations(ctx, client.OperationQuery{})
		if err != nil {
			return err
		}
		for _, o := range latest(all, 0) {
			if o.Reason == client.WaitsForHost {
				nothing = "nothing else is under way"
				fmt.Fprintf(s.Stderr, "%s: not waited for: %s\n", printable(operationLabel(&o)), printable(operationMessage(&o)))
				continue
			}
			ids = append(ids, o.ID)
		}
	}
	if len(ids) == 0 && s.output != outputJSON {
		_, err := fmt.Fprintln(s.Stdout, nothing)
		return err
	}
	g := s.gauges()
	ended := make([]client.Operation, len(ids))
	following, ctx := errgroup.WithContext(ctx)
	for i, id := range ids {
		following.Go(func() error {
			o, err := c.WatchOperation(ctx, id, func(o *client.Operation) { g.set(o.ID, operationReading(o)) })
			if err == nil {
				ended[i] = *o
			}
			return err
		})
	}
	err := following.Wait()
	g.close()
	if err != nil {
		return err
	}
	if s.output == outputJSON {
		err = s.json(ended)
	} else {
		err = s.showOperations(ended)
	}
	if err != nil {
		return err
	}
	return failedAmong(ended)
}

// failedAmong is an error where not all operations were done.
func failedAmong(ended []client.Operation) error {
	var why string
	failed := 0
	for i := range ended {
		if o := &ended[i]; o.State != client.OperationDone {
			failed++
			why = operationFailure(o)
		}
	}
	switch {
	case failed == 0:
		return nil
	case len(ended) == 1:
		return fault.New(fault.Conflict, "%s", why)
	}
	return fault.New(fault.Conflict, "%d of %d operations were not done; one of them: %s", failed, len(ended), why)
}

// operationFailure is why an operation was not done.
func operationFailure(o *client.Operation) string {
	why := "somebody cancelled it"
	if o.State != client.OperationCancelled && o.Error != "" {
		why = o.Error
	}
	return fmt.Sprintf("%s: %s", operationLabel(o), why)
}

// operationLabel is what an operation is about.
func operationLabel(o *client.Operation) string {
	switch {
	case o.Host == "":
		return o.Kind + " " + o.Model
	case o.Kind == "delete":
		return o.Kind + " " + o.Model + " from " + o.Host
	}
	return o.Kind + " " + o.Model + " to " + o.Host
}

// operationReading is how far an operation is.
func operationReading(o *client.Operation) reading {
	r := reading{label: operationLabel(o), done: o.DoneBytes, total: o.TotalBytes, ended: o.State.Ended()}
	switch {
	case o.State == client.OperationDone:
		r.text = join(", ", string(o.State), size(o.TotalBytes), duration(o.EndedAt.Sub(o.StartedAt)))
		r.done, r.total = 1, 1
	case o.State == client.OperationFailed, o.State == client.OperationWaiting:
		r.text = join(": ", string(o.State), operationMessage(o))
	case r.ended:
		r.text = string(o.State)
	default:
		r.text = join(", ", operationState(o), portion(o.DoneBytes, o.TotalBytes), speed(o.BytesPerSecond), left(o), o.Message)
	}
	return r
}
