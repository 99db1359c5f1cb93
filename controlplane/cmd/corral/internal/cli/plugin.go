package cli

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/sdk/fault"
)

func (s *session) pluginCommand() *cobra.Command {
	return group("plugin", "See and steer the plugins of the control plane", s.pluginListCommand(), s.pluginRollbackCommand())
}

func (s *session) pluginListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the plugins and how they are", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			list, err := c.Plugins(cmd.Context())
			if err != nil {
				return err
			}
			if s.output == outputJSON {
				return s.json(list)
			}
			t := newTable(s.Stdout, "PLUGIN", "VERSION", "STATE", "RESTARTS", "SHA256", "MESSAGE")
			for i := range list {
				p := &list[i]
				name := p.File
				if p.Name != "" {
					name = p.Kind + "/" + p.Name
				}
				message := p.Message
				if p.Trust != "" {
					message += "; to trust it: " + p.Trust
				}
				t.row(name, p.Version, p.State, strconv.Itoa(p.Restarts), cmp.Or(p.SHA256, unknown)[:min(12, len(cmp.Or(p.SHA256, unknown)))], message)
			}
			return t.flush()
		},
	}
}

func (s *session) pluginRollbackCommand() *cobra.Command {
	return &cobra.Command{
		Use: "rollback KIND/NAME", Short: "Run the version that was run before the last upgrade", Args: exactly("KIND/NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, name, ok := strings.Cut(args[0], "/")
			if !ok {
				return fault.New(fault.Invalid, "%q is not KIND/NAME, such as storage/fs", args[0]).On(fault.Caller)
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			if err := c.RollbackPlugin(cmd.Context(), kind, name); err != nil {
				return err
			}
			_, err = fmt.Fprintf(s.Stdout, "%s goes back to its version before; corral plugin list shows when it is there\n", printable(args[0]))
			return err
		},
	}
}
