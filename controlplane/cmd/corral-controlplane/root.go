package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/controlplane/internal/controlplane"
	"github.com/corral-fleet/corral/controlplane/internal/settings"
	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/program"
	"github.com/corral-fleet/corral/sdk/sdnotify"
)

func newRoot(version string, environ []string) *cobra.Command {
	root := &cobra.Command{
		Use:           "corral-controlplane",
		Short:         "Make many Ollama hosts one service",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          exactly(0),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return program.Usage(err) })
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(
		newServe(version, environ), newDoctor(version, environ), newConfig(environ), newKey(environ), newToken(environ), newPlugin(environ),
		&cobra.Command{
			Use: "version", Short: "Print the version", Args: exactly(0),
			RunE: func(cmd *cobra.Command, _ []string) error {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), version)
				return err
			},
		},
	)
	return root
}

func newServe(version string, environ []string) *cobra.Command {
	cmd := &cobra.Command{Use: "serve", Short: "Serve the fleet in the foreground", Args: exactly(0)}
	settings.BindFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		loaded, err := settings.Load(environ, cmd.Flags())
		if err != nil {
			return err
		}
		log := program.NewLogger("corral-controlplane", loaded.Config.App.Server.LogLevel, loaded.Config.LogFormat, cmd.ErrOrStderr())
		ctx, cancel := context.WithCancel(cmd.Context())
		var limiting sync.WaitGroup
		defer limiting.Wait()
		defer cancel()
		limiting.Go(func() { limitGarbage(ctx, environ) })
		return controlplane.New(loaded, version, log).Run(cmd.Context(), sdnotify.Under(environ, log))
	}
	return cmd
}

func newConfig(environ []string) *cobra.Command {
	group := &cobra.Command{
		Use: "config", Short: "Check and show the settings", Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	validate := &cobra.Command{Use: "validate", Short: "Check the settings and list every fault", Args: exactly(0)}
	settings.BindFlags(validate.Flags())
	validate.RunE = func(cmd *cobra.Command, _ []string) error {
		_, err := settings.Load(environ, cmd.Flags())
		return err
	}
	show := &cobra.Command{Use: "show", Short: "Show the settings and where each comes from", Args: exactly(0)}
	settings.BindFlags(show.Flags())
	show.RunE = func(cmd *cobra.Command, _ []string) error {
		loaded, err := settings.Load(environ, cmd.Flags())
		if err != nil {
			return err
		}
		return config.Render(cmd.OutOrStdout(), &loaded.Config, loaded.Origins)
	}
	group.AddCommand(validate, show)
	return group
}

// exactly is cobra.ExactArgs with an error that counts as one of usage, and that
// names a command which does not exist.
func exactly(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if n == 0 {
			return program.Usage(cobra.NoArgs(cmd, args))
		}
		return program.Usage(cobra.ExactArgs(n)(cmd, args))
	}
}
