package cli

import (
	"cmp"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/sdk/client"
)

func (s *session) breakerCommand() *cobra.Command {
	return group("breaker", "See and close what keeps requests away from failing hosts", s.breakerListCommand(), s.breakerResetCommand())
}

func (s *session) breakerListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the Ollamas, and the models on them, that failed of late", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			breakers, err := c.Breakers(cmd.Context())
			if err != nil {
				return err
			}
			if s.output == outputJSON {
				return s.json(breakers)
			}
			return s.showBreakers(breakers)
		},
	}
}

func (s *session) showBreakers(breakers []client.Breaker) error {
	if len(breakers) == 0 {
		_, err := fmt.Fprintln(s.Stdout, "nothing failed of late")
		return err
	}
	t := newTable(s.Stdout, "HOST", "OLLAMA", "MODEL", "STATE", "FOR", "IN A ROW", "FAILED", "NEXT TRY", "LAST FAILURE")
	for i := range breakers {
		b := &breakers[i]
		failed := strconv.Itoa(b.Failures) + " of " + strconv.Itoa(b.Failures+b.Successes)
		t.row(b.Host, b.Instance, cmp.Or(b.Model, "all"), string(b.State), s.since(b.Since), strconv.Itoa(b.FailuresInARow), failed,
			s.nextTry(b), s.since(b.LastErrorAt)+" ago: "+b.LastError)
	}
	return t.flush()
}

// nextTry is when a breaker lets a request through to see whether it works again.
func (s *session) nextTry(b *client.Breaker) string {
	switch {
	case b.State == client.BreakerClosed:
		return ""
	case b.State == client.BreakerHalfOpen, !b.NextProbeAt.After(s.Now()):
		return "now"
	}
	return "in " + duration(b.NextProbeAt.Sub(s.Now()))
}

func (s *session) breakerResetCommand() *cobra.Command {
	var which client.BreakerFilter
	cmd := &cobra.Command{
		Use: "reset", Short: "Let requests through again at once", Args: exactly(),
		Long: `Let requests through again at once, where they were kept away because of
failures: everywhere, or as the flags say. What still fails is left alone again.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			closed, err := c.ResetBreakers(cmd.Context(), which)
			if err != nil {
				return err
			}
			if s.output == outputJSON {
				return s.json(map[string]int{"closed": closed})
			}
			_, err = fmt.Fprintln(s.Stdout, count(closed, "breaker"), "closed")
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&which.Host, "host", "", "of this host alone")
	flags.StringVar(&which.Instance, "instance", "", "of this Ollama alone, where the host has several")
	flags.StringVar(&which.Model, "model", "", "of this model alone")
	return cmd
}
