package cli

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/fault"
)

func (s *session) modelFitCommand() *cobra.Command {
	var q client.FitQuery
	cmd := &cobra.Command{
		Use: "fit MODEL", Short: "Say on which hosts a model fits, before it is brought there", Args: exactly("MODEL"), ValidArgsFunction: s.completeArgs(s.modelNames, nil),
		Long: `Say for each host whether a model of the catalogue fits there: on GPUs alone (fits), with
a part or all of it in main memory, where it is slow (spills), or not at all (no). The
figures are worked out from the model's header, or were measured when it was loaded there.

The exit status is 0 where it fits on all hosts that --hosts names, or else on one host at
least; 1 where it doesn't, or that isn't known.`,
		Example: `  corral model fit llama3:70b --context 32768 --parallel 4
  corral model fit llama3:70b --hosts gpu-1 && corral model download llama3:70b --hosts gpu-1`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if q.ContextTokens < 0 || q.Parallel < 0 {
				return fault.New(fault.Invalid, "--context and --parallel are 1 or more, or are left out").On(fault.Caller)
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			fits, err := c.Fit(cmd.Context(), args[0], q)
			if err != nil {
				return err
			}
			if s.output == outputJSON {
				err = s.json(fits)
			} else {
				err = s.showFits(fits)
			}
			if err != nil {
				return err
			}
			return unfit(args[0], fits, len(q.Hosts) > 0)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&q.Hosts, "hosts", nil, "these hosts alone, by name or id, with commas")
	flags.IntVar(&q.ContextTokens, "context", 0, "tokens of context for each request (default what each host's Ollama takes)")
	flags.IntVar(&q.Parallel, "parallel", 0, "requests at a time (default as each host has it)")
	flags.StringVar(&q.CacheType, "cache-type", "", "how keys and values are kept: f16, q8_0 or q4_0 (default as each host has it)")
	s.completeFlag(cmd, "hosts", s.hostNames)
	s.completeFlag(cmd, "cache-type", func(context.Context, *client.Client) ([]string, error) { return []string{"f16", "q8_0", "q4_0"}, nil })
	return cmd
}

func (s *session) showFits(fits []client.Fit) error {
	if len(fits) == 0 {
		_, err := fmt.Fprintln(s.Stdout, "there is no host")
		return err
	}
	t := newTable(s.Stdout, "HOST", "VERDICT", "TOTAL", "WEIGHTS", "CACHE", "ON GPUS", "IN MAIN MEMORY", "FREE", "CONTEXT", "LONGEST", "PARALLEL", "CACHE TYPE", "SOURCE")
	for i := range fits {
		f := &fits[i]
		onGPUs, inMain, free := unknown, unknown, unknown
		if f.Verdict != client.VerdictUnknown {
			onGPUs, inMain, free = zeroSize(f.GPUBytes), zeroSize(f.MainMemoryBytes), zeroSize(f.FreeBytes)
		}
		t.row(f.Host, string(f.Verdict), size(f.TotalBytes), size(f.WeightsBytes), size(f.CacheBytes), onGPUs, inMain, free,
			tokens(f.ContextTokens), tokens(f.LongestContextTokens), tokens(f.Parallel), f.CacheType, string(f.Source))
	}
	if err := t.flush(); err != nil {
		return err
	}
	return s.section("HOST\tWHY", func(t *table) {
		for i := range fits {
			t.row(fits[i].Host, fits[i].Reason)
		}
	})
}

// tokens is a count for people, where 0 is none that is known.
func tokens(n int64) string {
	if n <= 0 {
		return unknown
	}
	return strconv.FormatInt(n, 10)
}

// unfit is an error where a model doesn't fit as it should: on all hosts, or on one of them.
func unfit(model string, fits []client.Fit, all bool) error {
	n := 0
	for i := range fits {
		if fits[i].Verdict == client.VerdictFits {
			n++
		}
	}
	switch {
	case n > 0 && !all, n == len(fits) && n > 0:
		return nil
	case n == 0:
		return fault.New(fault.NoSpace, "model %s fits on the GPUs of no host", model)
	}
	return fault.New(fault.NoSpace, "model %s fits on the GPUs of %d of %d hosts", model, n, len(fits))
}
