package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/sdk/client"
)

func (s *session) hostCommand() *cobra.Command {
	return group("host", "See and steer hosts",
		s.hostListCommand(), s.hostShowCommand(),
		s.hostActionCommand("drain HOST", "Keep new requests away from a host",
			`Keep new requests away from a host. Those under way go on.`,
			"host %s gets no new requests\n", (*client.Client).Drain),
		s.hostActionCommand("undrain HOST", "Let a host have requests again", "",
			"host %s gets requests again\n", (*client.Client).Undrain),
		s.hostActionCommand("approve HOST", "Let a host in that waits for approval",
			`Let a host in that joined with a token which wants an operator's approval.`,
			"host %s is let in; its agent connects within seconds\n", (*client.Client).Approve),
		s.hostRenameCommand(), s.hostLabelCommand(),
		s.hostActionCommand("remove HOST", "Forget a host",
			`Forget a host and end its session. What runs there goes on; its agent is refused
until it joins anew. On the host, corral-agent leave does the same.`,
			"host %s is forgotten\n", (*client.Client).RemoveHost),
		s.hostRestartCommand(), s.hostLogsCommand())
}

// hostActionCommand is a command that does one thing to a host.
func (s *session) hostActionCommand(use, short, long, done string, act func(*client.Client, context.Context, string) (*client.Host, error)) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Long: long, Args: exactly("HOST"), ValidArgsFunction: s.completeArgs(s.hostNames, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.act(fmt.Sprintf(done, args[0]), func(c *client.Client) (*client.Host, error) {
				return act(c, cmd.Context(), args[0])
			})
		},
	}
}

func (s *session) hostRestartCommand() *cobra.Command {
	var instance string
	cmd := &cobra.Command{
		Use: "restart HOST", Short: "Restart the Ollama of a host", Args: exactly("HOST"), ValidArgsFunction: s.completeArgs(s.hostNames, nil),
		Long: `Restart the Ollama of a host and wait until it serves again. Requests under way
there are lost; drain the host first to let them finish. An Ollama that the
agent did not start is not restarted.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			done := fmt.Sprintf("the Ollama %s of host %s was restarted\n", instance, args[0])
			return s.act(done, func(c *client.Client) (*client.Host, error) {
				return c.RestartInstance(cmd.Context(), args[0], instance)
			})
		},
	}
	cmd.Flags().StringVar(&instance, "instance", "default", "which Ollama, where the host has several")
	return cmd
}

// act changes a host and tells that it is done: by a sentence, or by the host
// as it is now.
func (s *session) act(done string, change func(*client.Client) (*client.Host, error)) error {
	c, err := s.client()
	if err != nil {
		return err
	}
	host, err := change(c)
	if err != nil {
		return err
	}
	if s.output == outputJSON {
		return s.json(host)
	}
	_, err = fmt.Fprint(s.Stdout, done)
	return err
}
