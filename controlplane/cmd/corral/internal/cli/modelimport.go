package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/sdk/client"
)

func (s *session) modelImportCommand() *cobra.Command {
	var m client.ModelImport
	var wait bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "import URL", Short: "Make a model of files that a storage has already", Args: exactly("URL"),
		Long: `Make a model of files that a storage has already, and have hosts get it. The files stay
where they are; corral storage ls shows the addresses of storages.

With --wait, it ends when the files were looked at, and the hosts that --hosts names
have the model; the exit status is 1 where that fails.`,
		Example: `  corral model import s3://models/tiny.gguf --name tiny:q4 --hosts gpu-1 --wait
  corral model import s3://models/large/ --name large`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			m.Source = args[0]
			if !wait {
				stored, err := c.ImportModel(cmd.Context(), m)
				if err != nil {
					return err
				}
				return s.uploaded(stored, "found")
			}
			return s.waitFor(cmd.Context(), timeout, func(ctx context.Context) error {
				before, err := past(ctx, c)
				if err != nil {
					return err
				}
				stored, err := c.ImportModel(ctx, m)
				if err != nil {
					return err
				}
				return s.await(ctx, newArrival(c, stored, before, m.Hosts))
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&m.Name, "name", "", "what the model is called (default after the URL)")
	flags.StringVar(&m.Description, "description", "", "what it is for")
	flags.StringSliceVar(&m.Hosts, "hosts", nil, "hosts that are to have it, by name or id, with commas; or all")
	flags.StringVar(&m.Quantize, "quantize", "", "what hosts are to quantise it to, such as q4_K_M")
	flags.StringVar(&m.From, "from", "", "the model that it is put on, of an adapter")
	flags.BoolVar(&wait, "wait", false, "wait until it is stored, and on those hosts")
	timeoutFlag(cmd, &timeout)
	s.completeFlag(cmd, "hosts", s.hostNames)
	s.completeFlag(cmd, "from", s.modelNames)
	return cmd
}
