package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/sdk/client"
)

func (s *session) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Say whether the fleet is well, and if not, why", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			status, err := c.Status(cmd.Context())
			if err != nil {
				return err
			}
			if s.output == outputJSON {
				return s.json(status)
			}
			return s.showStatus(status)
		},
	}
}

func (s *session) showStatus(status *client.Status) error {
	t := newTable(s.Stdout)
	t.row("status", status.Status)
	t.row("version", status.Version)
	t.row("uptime", duration(time.Duration(status.UptimeSeconds)*time.Second))
	t.row("hosts", fmt.Sprintf("%d, %d online, %d degraded", status.Hosts.Total, status.Hosts.Online, status.Hosts.Degraded))
	t.row("models", fmt.Sprintf("%d, %d loaded", status.Models.Total, status.Models.Loaded))
	if status.GPUs.Total > 0 {
		gpus := fmt.Sprintf("%d, %d unhealthy", status.GPUs.Total, status.GPUs.Unhealthy)
		if n := status.GPUs.NotReal; n > 0 {
			gpus += fmt.Sprintf(", %d not real", n)
		}
		t.row("gpus", gpus)
	}
	for _, storage := range status.Storage {
		t.row("storage", storage.Name+": "+storage.Status)
	}
	if len(status.Problems) > 0 {
		t.row("problems", status.Problems[0])
		t.more(status.Problems[1:]...)
	}
	return t.flush()
}
