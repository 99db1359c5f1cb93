package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/agent/internal/agent"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/program"
)

func newLeave(version string, environ []string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "leave",
		Short: "Have the control plane forget this host, and forget the control plane",
		Long: `Have the control plane forget this host and refuse its key, and forget what was
learnt when it joined. The agent has to be stopped first; an Ollama that it
started ends with it, and one that somebody else runs was never changed. Models
and the host's key stay where they are. Leaving twice is no error.`,
		Args: noArgs,
	}
	load := settings(cmd, environ)
	force := cmd.Flags().Bool("force", false, "leave even where the control plane cannot be told")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		log := program.NewLogger("corral-agent", cfg.LogLevel, cfg.LogFormat, cmd.ErrOrStderr())
		left, told, err := agent.New(cfg, version, log).Leave(cmd.Context(), *force)
		switch {
		case err != nil && fault.KindOf(err) == fault.Conflict:
			return fmt.Errorf("%w; stop it first, and leave then", err)
		case err != nil && fault.KindOf(err) == fault.Unavailable:
			return fmt.Errorf("%w; --force leaves without it", err)
		case err != nil:
			return err
		case left.HostID == "":
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "This host is no member of a control plane; nothing was changed.")
		case told != nil:
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "Left without the control plane, which could not be told: %s. There, remove the host by: corral host remove %s\n", fault.MessageOf(told), left.HostID)
		default:
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "Left: the control plane has forgotten host %s (%s). Models and the key in %s are still there.\n", left.Name, left.HostID, cfg.DataDir)
		}
		return err
	}
	return cmd
}
