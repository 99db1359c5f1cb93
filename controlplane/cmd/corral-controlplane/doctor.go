package main

import (
	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/controlplane/internal/controlplane"
	"github.com/corral-fleet/corral/controlplane/internal/settings"
	"github.com/corral-fleet/corral/sdk/checkup"
	"github.com/corral-fleet/corral/sdk/fault"
)

func newDoctor(version string, environ []string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check the control plane and its data directory, and say what mends them",
		Long: `Check the control plane: settings, data directory and its disk, databases,
certificates, the server and its address, how the last run ended, settings that wait
for a restart, limits, the clock, and which hosts are missing. Each check comes with
what was seen and, where something is wrong, with what mends it. Nothing is changed,
and a server may be running or not. Give it the flags and the environment that the
server gets. The exit status is 1 where a check failed; warnings leave it 0.`,
		Args: exactly(0),
	}
	settings.BindFlags(cmd.Flags())
	asJSON := cmd.Flags().Bool("json", false, "print a JSON array")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var checks []checkup.Check
		loaded, err := settings.Load(environ, cmd.Flags())
		if err != nil {
			checks = []checkup.Check{{Name: "settings", Status: checkup.Failed, Evidence: err.Error(), Mend: "correct them; nothing else was looked at"}}
		} else {
			valid := checkup.Check{Name: "settings", Status: checkup.OK, Evidence: "every one is valid"}
			checks = append([]checkup.Check{valid}, controlplane.New(loaded, version, hclog.NewNullLogger()).Examine(cmd.Context())...)
		}
		if err := checkup.Print(cmd.OutOrStdout(), checks, *asJSON); err != nil {
			return err
		}
		if !checkup.Healthy(checks) {
			return fault.New(fault.Unavailable, "something is wrong; see above")
		}
		return nil
	}
	return cmd
}
