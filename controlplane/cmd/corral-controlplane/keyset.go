package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/controlplane/internal/auth"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/sqlite"
	"github.com/corral-fleet/corral/sdk/program"
)

func newKeySet(environ []string) *cobra.Command {
	cmd := &cobra.Command{Use: "set NAME|ID", Short: "Change the priority of a key, for its requests from a second later on", Args: exactly(1)}
	dataDir := dataDirFlag(cmd, environ)
	priority := priorityFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !cmd.Flags().Changed("priority") {
			return program.Usage(errors.New("--priority is needed"))
		}
		dir, err := dataDir()
		if err != nil {
			return err
		}
		return withState(cmd.Context(), dir, func(state *sqlite.State) error {
			key, err := auth.FindKey(cmd.Context(), state, args[0])
			if err != nil {
				return err
			}
			_, err = auth.NewKeyring(state, time.Now, hclog.NewNullLogger()).SetPriority(cmd.Context(), key.ID, *priority)
			return err
		})
	}
	return cmd
}

func priorityFlag(cmd *cobra.Command) *int {
	return cmd.Flags().Int("priority", 0, fmt.Sprintf("from %d to %d: among those that wait, each gets four times the share of the one below",
		fleet.MinPriority, fleet.MaxPriority))
}
