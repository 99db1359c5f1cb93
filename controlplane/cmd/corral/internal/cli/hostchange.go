package cli

import (
	"fmt"
	"maps"
	"strings"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/sdk/client"
)

func (s *session) hostRenameCommand() *cobra.Command {
	return &cobra.Command{
		Use: "rename HOST NAME", Short: "Call a host by another name", Args: exactly("HOST", "NAME"), ValidArgsFunction: s.completeArgs(s.hostNames, nil),
		Long: `Call a host by another name, which no other host bears. Its agent keeps it, whatever
the machine is called.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.act(fmt.Sprintf("host %s is called %s\n", args[0], args[1]), func(c *client.Client) (*client.Host, error) {
				return c.ChangeHost(cmd.Context(), args[0], client.HostPatch{Name: &args[1]})
			})
		},
	}
}

func (s *session) hostLabelCommand() *cobra.Command {
	return &cobra.Command{
		Use: "label HOST NAME=VALUE|NAME- ...", Short: "Give labels to a host, or take them away", ValidArgsFunction: s.completeArgs(s.hostNames, nil),
		Long: `Give labels to a host, or take them away: NAME=VALUE sets one, NAME- takes one
away. The others stay as they are.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := atLeast("HOST", "NAME=VALUE")(cmd, args); err != nil {
				return err
			}
			_, err := relabelled(nil, args[1:])
			return err
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.act(fmt.Sprintf("host %s is labelled\n", args[0]), func(c *client.Client) (*client.Host, error) {
				before, err := c.Host(cmd.Context(), args[0])
				if err != nil {
					return nil, err
				}
				labels, err := relabelled(before.Labels, args[1:])
				if err != nil {
					return nil, err
				}
				return c.ChangeHost(cmd.Context(), args[0], client.HostPatch{Labels: labels})
			})
		},
	}
}

// relabelled returns labels with changes, each NAME=VALUE or NAME-.
func relabelled(labels map[string]string, changes []string) (map[string]string, error) {
	after := make(map[string]string, len(labels)+len(changes))
	maps.Copy(after, labels)
	for _, change := range changes {
		name, value, set := strings.Cut(change, "=")
		switch gone, taken := strings.CutSuffix(change, "-"); {
		case set && name != "":
			after[name] = value
		case taken && gone != "":
			delete(after, gone)
		default:
			return nil, fmt.Errorf("%q is neither NAME=VALUE nor NAME-", change)
		}
	}
	return after, nil
}
