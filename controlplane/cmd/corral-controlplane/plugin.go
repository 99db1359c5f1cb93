package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/controlplane/internal/controlplane"
	"github.com/corral-fleet/corral/controlplane/internal/settings"
	"github.com/corral-fleet/corral/sdk/host/trust"
)

func newPlugin(environ []string) *cobra.Command {
	group := &cobra.Command{
		Use: "plugin", Short: "Say which plugins may be run", Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd := &cobra.Command{
		Use: "trust FILE", Short: "Let a plugin be run, as its bytes are now", Args: exactly(1),
		Long: `Let a plugin be run, as its bytes are now. It is run once, to learn what it is.
The file has to be where the server finds it: in plugin_dir, or in the folder
plugins of the data directory.`,
	}
	settings.BindFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		loaded, err := settings.Load(environ, cmd.Flags())
		if err != nil {
			return err
		}
		dir := loaded.Config.DataDir
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make the data directory: %w", err)
		}
		entry, err := trust.TrustFile(cmd.Context(), filepath.Join(dir, controlplane.LockName), args[0])
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is trusted, with the sha256 %s\n", entry, entry.SHA256[trust.Platform])
		return err
	}
	group.AddCommand(cmd)
	return group
}
