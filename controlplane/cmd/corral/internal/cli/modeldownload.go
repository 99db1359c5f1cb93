package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/fault"
)

func (s *session) modelDownloadCommand() *cobra.Command {
	var p client.Placement
	var pairs []string
	var all, wait bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "download MODEL", Short: "Bring a model of the catalogue to hosts", Args: exactly("MODEL"), ValidArgsFunction: s.completeArgs(s.modelNames, nil),
		Long: `Bring a model of the catalogue to hosts, which keep it from then on: to those that are
named, to all with labels, to all that there are and will be, or to as many as --count
says, where it fits best; else to one. A host that is away gets it when it is back.
Which hosts were chosen is told, and what each of them waits for.

With --wait, it is waited until the hosts that are named have it, or else all that are
to have it and can be reached; what each of them waits for is told meanwhile. The exit
status is 1 where that fails, or does not end within --timeout.`,
		Example: `  corral model download llama3 --hosts gpu-1,gpu-2 --wait
  corral model download llama3 --label rack=a7 --count 2`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if p.Count < 0 {
				return fault.New(fault.Invalid, "--count is 1 or more, not %d", p.Count).On(fault.Caller)
			}
			err := apart(cmd, [2]string{"hosts", "all"}, [2]string{"hosts", "label"}, [2]string{"hosts", "count"}, [2]string{"all", "label"}, [2]string{"all", "count"})
			if err != nil {
				return err
			}
			if p.Labels, err = labelPairs(pairs); err != nil {
				return err
			}
			hosts := p.Hosts
			if all {
				p.Hosts = []string{client.AllHosts}
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			if !wait {
				d, err := c.DownloadModel(cmd.Context(), args[0], p)
				if err != nil {
					return err
				}
				return s.begun(d)
			}
			return s.waitFor(cmd.Context(), timeout, func(ctx context.Context) error {
				before, err := past(ctx, c)
				if err != nil {
					return err
				}
				d, err := c.DownloadModel(ctx, args[0], p)
				if err != nil {
					return err
				}
				return s.await(ctx, &arrival{client: c, model: d.ID, past: before, stored: true, hosts: hosts})
			})
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&p.Hosts, "hosts", nil, "these hosts, by name or id, with commas")
	flags.BoolVar(&all, "all", false, "all hosts, and those that join later")
	flags.StringArrayVar(&pairs, "label", nil, "hosts that have this label, NAME=VALUE; several have to be there all")
	flags.IntVar(&p.Count, "count", 0, "so many of them, those where it fits best")
	flags.BoolVar(&wait, "wait", false, "wait until they have it")
	timeoutFlag(cmd, &timeout)
	s.completeFlag(cmd, "hosts", s.hostNames)
	return cmd
}

// labelPairs reads labels, each NAME=VALUE.
func labelPairs(pairs []string) (map[string]string, error) {
	if len(pairs) == 0 {
		return nil, nil
	}
	labels := map[string]string{}
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, fault.New(fault.Invalid, "%q is not NAME=VALUE", pair).On(fault.Caller)
		}
		labels[name] = value
	}
	return labels, nil
}

// begun tells which hosts get a model, and what they wait for.
func (s *session) begun(d *client.Download) error {
	if s.output == outputJSON {
		return s.json(d)
	}
	if _, err := fmt.Fprintf(s.Stdout, "model %s is to be on %s; corral op watch follows\n", printable(d.Name), count(len(d.Chosen), "host")); err != nil {
		return err
	}
	return s.section("HOST\tSTATE\tOPERATION", func(t *table) {
		for _, h := range d.Chosen {
			if h.Operation == nil {
				t.row(h.Host, "has it", "")
				continue
			}
			t.row(h.Host, operationReading(h.Operation).text, h.Operation.ID)
		}
	})
}

// await waits until a model has arrived, shows meanwhile how far it is, and tells of it.
func (s *session) await(ctx context.Context, a *arrival) error {
	a.gauges = s.gauges()
	m, err := a.wait(ctx)
	a.gauges.close()
	if err != nil {
		return err
	}
	return s.arrived(m, a.absent)
}
