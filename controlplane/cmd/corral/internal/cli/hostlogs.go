package cli

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/fault"
)

func (s *session) hostLogsCommand() *cobra.Command {
	var o client.LogOptions
	cmd := &cobra.Command{
		Use: "logs HOST", Short: "Print what the Ollama of a host printed", Args: exactly("HOST"), ValidArgsFunction: s.completeArgs(s.hostNames, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.Lines < 1 {
				return fault.New(fault.Invalid, "--lines is 1 or more, not %d", o.Lines).On(fault.Caller)
			}
			s.endless = o.Follow
			c, err := s.client()
			if err != nil {
				return err
			}
			text, err := c.Logs(cmd.Context(), args[0], o)
			if err != nil {
				return err
			}
			defer text.Close()
			_, err = io.Copy(&textWriter{w: s.Stdout}, text)
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Instance, "instance", "", "which Ollama, where the host has several")
	flags.IntVarP(&o.Lines, "lines", "n", 100, "how many of the last lines")
	flags.BoolVarP(&o.Follow, "follow", "f", false, "go on with what it prints from now on")
	return cmd
}
