package cli

import (
	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/agent/internal/agent"
	"github.com/corral-fleet/corral/agent/internal/doctor"
	"github.com/corral-fleet/corral/agent/internal/status"
	"github.com/corral-fleet/corral/sdk/checkup"
	"github.com/corral-fleet/corral/sdk/fault"
)

func newDoctor(version string, environ []string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check the agent and its host, and say what mends them",
		Long: `Check the agent and its host: settings, data directory, key, membership, the
control plane at each of its addresses, the clock, Ollama, limits and GPU driver.
Each check comes with what was seen and, where something is wrong, with what mends
it. Nothing is changed, and the agent may be running or not. The exit status is 1
where a check failed; warnings leave it 0.`,
		Args: noArgs,
	}
	load := settings(cmd, environ)
	asJSON := cmd.Flags().Bool("json", false, "print a JSON array")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var checks []doctor.Check
		cfg, err := load()
		if err != nil {
			checks = []doctor.Check{{Name: "settings", Status: doctor.Failed, Evidence: err.Error(), Mend: "correct them; nothing else was looked at"}}
		} else {
			var running *status.Report
			network, address := cfg.StatusAddress()
			if report, err := ask(cmd.Context(), network, address); err == nil {
				running = &report
			}
			valid := doctor.Check{Name: "settings", Status: doctor.OK, Evidence: "every one is valid"}
			checks = append([]doctor.Check{valid}, agent.New(cfg, version, hclog.NewNullLogger()).Examine(cmd.Context(), running)...)
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
