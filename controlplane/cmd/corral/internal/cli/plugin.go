package cli

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/sdk/fault"
)

func (s *session) pluginCommand() *cobra.Command {
	return group("plugin", "See and steer the plugins of the control plane", s.pluginListCommand(), s.pluginShowCommand(), s.pluginInstallCommand(), s.pluginApproveCommand(), s.pluginRollbackCommand(), s.pluginRemoveCommand())
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

func (s *session) pluginInstallCommand() *cobra.Command {
	return &cobra.Command{
		Use: "install FILE", Short: "Upload a plugin's program, which is run once it is approved", Args: exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := os.Open(args[0])
			if err != nil {
				return fault.Wrap(fault.Invalid, err, "the file cannot be read").On(fault.Caller)
			}
			defer f.Close() // it was only read
			digest := sha256.New()
			size, err := io.Copy(digest, f)
			if err == nil {
				_, err = f.Seek(0, io.SeekStart)
			}
			if err != nil {
				return fault.Wrap(fault.Invalid, err, "the file cannot be read").On(fault.Caller)
			}
			sum := hex.EncodeToString(digest.Sum(nil))
			c, err := s.client()
			if err != nil {
				return err
			}
			if err := c.InstallPlugin(cmd.Context(), f, size, sum); err != nil {
				return err
			}
			_, err = fmt.Fprintf(s.Stdout, "installed; to have it run: corral plugin approve %s\n", sum)
			return err
		},
	}
}

func (s *session) pluginApproveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "approve SHA256", Short: "Let an installed program be run, in the place of another version", Args: exactly("SHA256"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			p, err := c.ApprovePlugin(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(s.Stdout, "%s/%s %s is approved\n", printable(p.Kind), printable(p.Name), printable(p.Version))
			return err
		},
	}
}

func (s *session) pluginRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "remove SHA256", Short: "Remove an installed program", Args: exactly("SHA256"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			if err := c.RemovePlugin(cmd.Context(), args[0]); err != nil {
				return err
			}
			_, err = fmt.Fprintln(s.Stdout, "removed")
			return err
		},
	}
}
