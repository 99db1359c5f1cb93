package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/sdk/client"
)

// completionLimit is how long a shell waits for names.
const completionLimit = 3 * time.Second

// names asks for words with which an argument can go on.
type names func(context.Context, *client.Client) ([]string, error)

// completeArgs completes the arguments of a command: each of them from the names of its
// place, those behind the last one from those too. What can't be asked for is not
// completed, and no complaint.
func (s *session) completeArgs(places ...names) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return s.completions(cmd.Context(), places[min(len(args), len(places)-1)])
	}
}

// thenFiles completes the first argument of a command, and leaves the others to the shell,
// which knows the files of this machine.
func (s *session) thenFiles(first names) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return s.completions(cmd.Context(), first)
	}
}

// completeFlag completes the value of a flag, or the last of those that it has with commas.
func (s *session) completeFlag(cmd *cobra.Command, flag string, ask names) {
	several := cmd.Flag(flag).Value.Type() == "stringSlice"
	err := cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		words, directive := s.completions(cmd.Context(), ask)
		before := typed[:strings.LastIndexByte(typed, ',')+1]
		if !several || before == "" {
			return words, directive
		}
		there := strings.Split(before, ",")
		words = slices.DeleteFunc(words, func(word string) bool { return slices.Contains(there, word) })
		for i := range words {
			words[i] = before + words[i]
		}
		return words, directive
	})
	if err != nil {
		panic(err) // the command has no such flag
	}
}

func (s *session) completions(ctx context.Context, ask names) ([]string, cobra.ShellCompDirective) {
	if ask == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(ctx, completionLimit)
	defer cancel()
	if err := s.begin(); err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	c, err := s.client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	words, err := ask(ctx, c)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

func (s *session) modelNames(ctx context.Context, c *client.Client) ([]string, error) {
	models, err := c.Models(ctx)
	list := make([]string, 0, len(models))
	for i := range models {
		list = append(list, printable(models[i].Name))
	}
	return list, err
}

func (s *session) hostNames(ctx context.Context, c *client.Client) ([]string, error) {
	hosts, err := c.Hosts(ctx)
	list := make([]string, 0, len(hosts))
	for i := range hosts {
		list = append(list, printable(hosts[i].Name))
	}
	return list, err
}

func (s *session) storageNames(ctx context.Context, c *client.Client) ([]string, error) {
	storages, err := c.Storages(ctx)
	list := make([]string, 0, len(storages))
	for i := range storages {
		list = append(list, printable(storages[i].Name))
	}
	return list, err
}

// operationIDs are those of what is under way, and of the latest that have ended.
func (s *session) operationIDs(ctx context.Context, c *client.Client) ([]string, error) {
	all, err := c.Operations(ctx, client.OperationQuery{})
	var list []string
	for _, o := range latest(all, 10) {
		list = append(list, cobra.CompletionWithDesc(printable(o.ID), printable(operationLabel(&o))))
	}
	return list, err
}
