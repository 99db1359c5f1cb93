package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/fault"
)

func (s *session) storageCommand() *cobra.Command {
	return group("storage", "See and configure the places where files are kept, and their files",
		s.storageListCommand(), s.storageShowCommand(), s.storageAddCommand(), s.storageSetCommand(), s.storageCheckCommand(), s.storageRemoveCommand(),
		s.storageListFilesCommand(), s.storageGetCommand(), s.storagePutCommand(), s.storageDeleteCommand())
}

func (s *session) storageListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the storages and how they are", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			list, err := c.Storages(cmd.Context())
			if err != nil {
				return err
			}
			if s.output == outputJSON {
				return s.json(list)
			}
			t := newTable(s.Stdout, "NAME", "PLUGIN", "STATUS", "FROM", "ADDRESS", "MESSAGE")
			for i := range list {
				t.row(list[i].Name, list[i].Plugin, list[i].Status, from(&list[i]), list[i].Address, list[i].Message)
			}
			return t.flush()
		},
	}
}

// from says where a storage was configured.
func from(st *client.Storage) string {
	if st.SetIn != "" {
		return st.SetIn
	}
	return st.Origin
}

func (s *session) storageShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show one storage", Args: exactly("NAME"), ValidArgsFunction: s.completeArgs(s.storageNames, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			st, err := c.Storage(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return s.showStorage(&st)
		},
	}
}

func (s *session) showStorage(st *client.Storage) error {
	if s.output == outputJSON {
		return s.json(st)
	}
	t := newTable(s.Stdout)
	t.row("name", st.Name)
	t.row("plugin", st.Plugin)
	status := st.Status
	if st.Since != nil {
		status += " for " + s.since(*st.Since)
	}
	t.row("status", status)
	if st.Message != "" {
		t.more(st.Message)
	}
	t.row("from", from(st))
	t.row("address", st.Address)
	t.row("can", strings.Join(st.Capabilities, ", "))
	if st.HostsRead {
		t.row("hosts", "read it themselves")
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(st.Config, &fields); err != nil {
		return fault.Wrap(fault.Unavailable, err, "the control plane shows a configuration that is none").On(fault.Service)
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		t.row("  "+name, plain(fields[name]))
	}
	return t.flush()
}

// plain is a value as one types it.
func plain(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text
	}
	return string(value)
}

const fieldsHelp = `Fields are the plugin's own, such as bucket=models or a.b=3. A value that is true,
false, a number, a list or an object in JSON is that, anything else is text. @FILE
reads the value from a file, which keeps a secret out of the list of processes.`

func (s *session) storageAddCommand() *cobra.Command {
	var plugin string
	var offline, hostsRead bool
	cmd := &cobra.Command{
		Use: "add NAME --plugin PLUGIN [FIELD=VALUE…]", Short: "Add a storage, once its service answers", Args: atLeast("NAME"),
		Long: "Add a storage, once its service answers.\n\n" + fieldsHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := configured(json.RawMessage("{}"), args[1:])
			if err != nil {
				return err
			}
			c, err := s.client()
			if err != nil {
				return err
			}
			st, err := c.CreateStorage(cmd.Context(), client.StorageSpec{Name: args[0], Plugin: plugin, Config: body, HostsRead: &hostsRead}, offline)
			if err != nil {
				return err
			}
			return s.showStorage(&st)
		},
	}
	cmd.Flags().StringVar(&plugin, "plugin", "", "the plugin that serves it, such as fs or s3")
	cmd.Flags().BoolVar(&offline, "offline", false, "do not ask the service first")
	cmd.Flags().BoolVar(&hostsRead, "hosts-read", false, hostsReadHelp)
	return cmd
}

const hostsReadHelp = "let hosts read the service themselves, with its secrets, where it has no addresses to give away"

func (s *session) storageSetCommand() *cobra.Command {
	var offline, hostsRead bool
	cmd := &cobra.Command{
		Use: "set NAME [FIELD=VALUE…]", Short: "Change fields of a storage's configuration", Args: atLeast("NAME"), ValidArgsFunction: s.completeArgs(s.storageNames, nil),
		Long: "Change fields of a storage's configuration; FIELD= takes one away.\n\n" + fieldsHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			before, err := c.Storage(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			body, err := configured(before.Config, args[1:])
			if err != nil {
				return err
			}
			spec := client.StorageSpec{Config: body, ConfigVersion: before.ConfigVersion}
			if cmd.Flags().Changed("hosts-read") {
				spec.HostsRead = &hostsRead
			}
			st, err := c.ChangeStorage(cmd.Context(), args[0], spec, offline)
			if err != nil {
				return err
			}
			return s.showStorage(&st)
		},
	}
	cmd.Flags().BoolVar(&offline, "offline", false, "do not ask the service first")
	cmd.Flags().BoolVar(&hostsRead, "hosts-read", false, hostsReadHelp)
	return cmd
}

// configured returns a configuration with some fields changed.
func configured(body json.RawMessage, fields []string) (json.RawMessage, error) {
	tree := map[string]any{}
	if err := json.Unmarshal(body, &tree); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "the control plane shows a configuration that is none").On(fault.Service)
	}
	for _, field := range fields {
		path, text, ok := strings.Cut(field, "=")
		if !ok || path == "" {
			return nil, fault.New(fault.Invalid, "%q is not FIELD=VALUE", field).On(fault.Caller)
		}
		value, err := typed(text)
		if err != nil {
			return nil, err
		}
		change(tree, path, value)
	}
	return json.Marshal(tree)
}

// typed reads a value that was typed; nil is none.
func typed(text string) (any, error) {
	if file, ok := strings.CutPrefix(text, "@"); ok {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "the file of a value cannot be read").On(fault.Caller)
		}
		return strings.TrimRight(string(content), "\r\n"), nil
	}
	var value any
	if json.Unmarshal([]byte(text), &value) == nil {
		return json.RawMessage(text), nil
	}
	if text == "" {
		return nil, nil
	}
	return text, nil
}

// change puts a value at a path, or takes away what is there.
func change(tree map[string]any, path string, value any) {
	first, rest, nested := strings.Cut(path, ".")
	switch section, is := tree[first].(map[string]any); {
	case nested:
		if !is {
			section = map[string]any{}
			tree[first] = section
		}
		change(section, rest, value)
	case value == nil:
		delete(tree, first)
	default:
		tree[first] = value
	}
}

func (s *session) storageCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use: "check NAME", Short: "Ask a storage's service whether it would serve", Args: exactly("NAME"), ValidArgsFunction: s.completeArgs(s.storageNames, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			st, err := c.CheckStorage(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if s.output == outputJSON {
				return s.json(st)
			}
			_, err = fmt.Fprintf(s.Stdout, "storage %s serves\n", printable(st.Name))
			return err
		},
	}
}

func (s *session) storageRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "remove NAME", Short: "Forget a storage; its files stay where they are", Args: exactly("NAME"), ValidArgsFunction: s.completeArgs(s.storageNames, nil),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			st, err := c.RemoveStorage(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if s.output == outputJSON {
				return s.json(st)
			}
			if _, err := fmt.Fprintf(s.Stdout, "storage %s is forgotten; its files are where they were\n", printable(st.Name)); err != nil {
				return err
			}
			models, err := c.Models(cmd.Context())
			if err != nil {
				return err
			}
			if stranded := storedIn(models, st.Name); len(stranded) > 0 {
				_, err = fmt.Fprintf(s.Stdout, "hosts can't get these models any more, until it is added again: %s\n", printable(strings.Join(stranded, ", ")))
			}
			return err
		},
	}
}

// storedIn returns the names of the models that have files in a storage.
func storedIn(models []client.Model, storage string) []string {
	var names []string
	for i := range models {
		if slices.ContainsFunc(models[i].Files, func(f client.ModelFile) bool { return f.Storage == storage }) {
			names = append(names, models[i].Name)
		}
	}
	return names
}
