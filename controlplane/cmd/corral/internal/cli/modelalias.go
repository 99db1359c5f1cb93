package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/sdk/client"
)

func (s *session) modelAliasCommand() *cobra.Command {
	var move bool
	cmd := &cobra.Command{
		Use: "alias MODEL NAME|NAME-...", Short: "Serve a model under other names, too", Args: atLeast("MODEL", "NAME"), ValidArgsFunction: s.completeArgs(s.modelNames, nil),
		Long: `Serve a model of the catalogue under other names, too: NAME gives it one, NAME- takes
one away. The others stay as they are. A name that a model has is refused; that of
another model's alias as well, unless --move has it move here, in one step: no request
finds nothing meanwhile.`,
		Example: `  corral model alias llama3:8b-q8 prod
  corral model alias llama4:8b prod --move`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			before, err := c.Model(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			patch := client.ModelPatch{Aliases: realiased(before.Aliases, args[1:]), MoveAliases: move}
			return s.actOnModel(func() (*client.Model, error) {
				return c.ChangeModel(cmd.Context(), before.ID, patch)
			}, func(m *client.Model) string {
				if len(m.Aliases) == 0 {
					return fmt.Sprintf("model %s has no other names", m.Name)
				}
				return fmt.Sprintf("model %s is also %s", m.Name, strings.Join(m.Aliases, ", "))
			})
		},
	}
	cmd.Flags().BoolVar(&move, "move", false, "take the names away from other models that have them as aliases")
	return cmd
}

// realiased returns aliases with some more, and less those that end in a hyphen. A name
// means the same in any case, and with and without its tag.
func realiased(aliases, changes []string) []string {
	list := append([]string{}, aliases...)
	for _, change := range changes {
		name, away := strings.CutSuffix(change, "-")
		list = slices.DeleteFunc(list, func(has string) bool { return sameAlias(has, name) })
		if !away {
			list = append(list, name)
		}
	}
	return list
}

func sameAlias(a, b string) bool {
	tagged := func(name string) string {
		if strings.LastIndexByte(name, ':') <= strings.LastIndexByte(name, '/') {
			name += ":latest"
		}
		return name
	}
	return strings.EqualFold(tagged(a), tagged(b))
}
