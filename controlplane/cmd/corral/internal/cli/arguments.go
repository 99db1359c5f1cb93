package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/sdk/fault"
)

// exactly is the rule for commands that need one argument each for these names.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return fmt.Errorf("%s needs %s", path(cmd), strings.Join(names[len(args):], " and "))
		case len(names) == 0 && len(args) > 0:
			return fmt.Errorf("%s takes no argument, and there is %q", path(cmd), args[0])
		case len(args) > len(names):
			return fmt.Errorf("%s takes %s and no more, and there is %q", path(cmd), strings.Join(names, " and "), args[len(names)])
		}
		return nil
	}
}

// atLeast is the rule for commands with arguments of any number behind these names.
func atLeast(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		return exactly(names...)(cmd, args[:min(len(args), len(names))])
	}
}

// upTo is the rule for commands that need one argument each for these names, and take one
// more.
func upTo(more string, names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) <= len(names) {
			return exactly(names...)(cmd, args)
		}
		return exactly(append(slices.Clone(names), more)...)(cmd, args)
	}
}

// noneOfThese is the rule for commands that only have others below them.
func noneOfThese(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
		hint = fmt.Sprintf(": is %s meant", strings.Join(like, " or "))
	}
	return fmt.Errorf("unknown command %q for %q%s", args[0], cmd.CommandPath(), hint)
}

// path is a command's name with those above it, but for the program's.
func path(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
}

// apart is an error where two flags are given that don't go together.
func apart(cmd *cobra.Command, pairs ...[2]string) error {
	for _, pair := range pairs {
		if cmd.Flags().Changed(pair[0]) && cmd.Flags().Changed(pair[1]) {
			return fault.New(fault.Invalid, "--%s and --%s don't go together", pair[0], pair[1]).On(fault.Caller)
		}
	}
	return nil
}
