// Package cli is the operators' command line without its process: what it is
// given comes in a [Program], what it prints goes to the writers there.
package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/program"
)

// The exit statuses, as those of package program.
const (
	exitDone        = program.ExitOK // also after an interrupt of what has no end of its own
	exitFailed      = program.ExitFailed
	exitUsage       = program.ExitUsage
	exitInterrupted = 130 // of what was to come to an end; as shells have it
)

// Program is one run of the command line.
type Program struct {
	Args    []string // without the program's name
	Getenv  func(string) string
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Now     func() time.Time
	Version string
}

// Run does what the arguments say and returns the exit status. Whatever goes
// wrong is one sentence on Stderr. It stops when ctx ends.
func (p Program) Run(ctx context.Context) int {
	s := &session{Program: p}
	root := s.root() //nolint:contextcheck // the commands get it from cobra
	root.SetArgs(p.Args)
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	cmd, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return exitDone
	case ctx.Err() != nil && s.endless:
		return exitDone
	case ctx.Err() != nil:
		fmt.Fprintf(p.Stderr, "corral: %s\n", cmp.Or(s.unfinished, "interrupted"))
		return exitInterrupted
	case !s.began: // cobra's own words about what was typed
		fmt.Fprintf(p.Stderr, "corral: %v; see %s --help\n", err, cmd.CommandPath())
		return exitUsage
	}
	fmt.Fprintf(p.Stderr, "corral: %s\n", s.explain(err))
	if fault.KindOf(err) == fault.Invalid && fault.SideOf(err) == fault.Caller {
		return exitUsage
	}
	return exitFailed
}

// root returns the whole tree of commands.
func (s *session) root() *cobra.Command {
	root := group("corral", "See and steer a fleet of Ollama hosts", s.statusCommand(), s.hostCommand(), s.gpuCommand(), s.tokenCommand(), s.modelCommand(), s.operationCommand(), s.chatCommand(), s.storageCommand(), s.pluginCommand(), s.explainCommand(), s.queueCommand(), s.breakerCommand(), s.usageCommand(), s.versionCommand())
	root.Long = `See and steer a fleet of Ollama hosts, through the API of its control plane.

The control plane and the key are given by flags or by the environment:
CORRAL_SERVER, CORRAL_KEY, or CORRAL_KEY_FILE for a file that holds the key.

The exit status is 0 when it is done, 1 when it failed, was refused, or something
that was waited for failed, 2 when the command line is wrong, and 130 when it was
interrupted before its end.

Names of models, hosts, storages and operations are completed by the shell:
"corral completion bash" prints what bash needs for that; zsh, fish and powershell
have the same.`
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.HiddenDefaultCmd = true
	flags := root.PersistentFlags()
	flags.StringVar(&s.server, "server", "", "address of the control plane (default "+defaultServer+")")
	flags.StringVar(&s.key, "key", "", "API key; other users of this machine can read it here, so rather use CORRAL_KEY_FILE")
	flags.StringVarP(&s.output, "output", "o", outputTable, "table or json")
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return s.begin() }
	return root
}

// group returns a command that only has others below it.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: noneOfThese, SuggestionsMinimumDistance: 2,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(commands...)
	return cmd
}

func (s *session) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version of this program", Args: exactly(),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(s.Stdout, "corral", s.Version)
			return err
		},
	}
}
