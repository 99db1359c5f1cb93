package cli

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/agent/internal/config"
	"github.com/corral-fleet/corral/agent/internal/gpu/monitor"
	"github.com/corral-fleet/corral/agent/internal/status"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/program"
	"github.com/corral-fleet/corral/sdk/wire"
)

// releaseTimeout is how long the agent may take to end the program that reads GPUs.
const releaseTimeout = 30 * time.Second

func newGPU(environ []string) *cobra.Command {
	cmd := &cobra.Command{
		Use: "gpu", Short: "Let go of the GPU driver, and take it again", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newGPURelease(environ), newGPUAcquire(environ))
	return cmd
}

func newGPURelease(environ []string) *cobra.Command {
	d := 10 * time.Minute
	cmd := &cobra.Command{
		Use: "release", Short: "Let go of the GPU driver for a while, as for its upgrade or to reset a GPU", Args: noArgs,
		Long: "Let go of the GPU driver for a while, as for its upgrade or to reset a GPU. It returns when the\n" +
			"running agent holds it no more. Ollama holds the driver as well.",
	}
	load := settings(cmd, environ)
	cmd.Flags().DurationVar(&d, "for", d, "how long, a day at most")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if d < time.Second || d > monitor.MaxRelease {
			return program.Usage(fault.New(fault.Invalid, "--for %v is not between 1 second and %v", d, monitor.MaxRelease))
		}
		return tell(cmd, load, fmt.Sprintf("/gpus/release?seconds=%d", d/time.Second), func(r status.Released) string {
			return "the agent holds the GPU driver no more, until " + r.Until.Local().Format(time.DateTime)
		})
	}
	return cmd
}

func newGPUAcquire(environ []string) *cobra.Command {
	cmd := &cobra.Command{Use: "acquire", Short: "Read the GPUs again before the time of their release is over", Args: noArgs}
	load := settings(cmd, environ)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return tell(cmd, load, "/gpus/acquire", func(status.Released) string { return "the agent reads the GPUs again" })
	}
	return cmd
}

// tell has the running agent do something with its GPUs, and says that it is done.
func tell(cmd *cobra.Command, load func() (config.Config, error), target string, done func(status.Released) string) error {
	cfg, err := load()
	if err != nil {
		return err
	}
	network, address := cfg.StatusAddress()
	if network != "unix" {
		return fault.New(fault.Conflict, "the agent takes this on a unix socket alone, and status_listen is %s; use corral gpu, which goes through the control plane", address)
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), releaseTimeout)
	defer cancel()
	var answer status.Released
	code, err := call(ctx, network, address, http.MethodPost, target, &answer)
	switch {
	case err != nil:
		return err
	case code != http.StatusOK:
		return fault.New(fault.Conflict, "%s", answer.Error)
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), done(answer))
	return err
}

// gpuLine says how the GPUs are read, "" where there are none.
func gpuLine(g status.GPUs) string {
	switch g.State {
	case wire.GPUsUnknown, wire.GPUsNone, wire.GPUsOff:
		return ""
	case wire.GPUsOK:
		text := fmt.Sprintf("%d", g.Count)
		if !monitor.Real(g.Source) {
			text += ", not real: " + g.Source
		}
		if g.Driver != "" {
			text += ", driver " + g.Driver
		}
		return text
	}
	if g.Message == "" {
		return g.State
	}
	return g.State + ": " + g.Message
}
