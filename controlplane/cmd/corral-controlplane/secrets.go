package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/controlplane/internal/auth"
	"github.com/corral-fleet/corral/controlplane/internal/controlplane"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/pki"
	"github.com/corral-fleet/corral/controlplane/internal/settings"
	"github.com/corral-fleet/corral/controlplane/internal/sqlite"
	"github.com/corral-fleet/corral/sdk/program"
)

// dataDirFlag adds --data-dir, which has the same default and variable as that of serve.
func dataDirFlag(cmd *cobra.Command, environ []string) func() (string, error) {
	given := cmd.Flags().String("data-dir", "", "the control plane's data directory")
	return func() (string, error) {
		if *given != "" {
			return *given, nil
		}
		loaded, err := settings.Load(environ, nil)
		return loaded.Config.DataDir, err
	}
}

// withState opens the state that a server may be using at the same time.
func withState(ctx context.Context, dir string, use func(*sqlite.State) error) error {
	state, err := sqlite.OpenState(ctx, dir, hclog.NewNullLogger())
	if err != nil {
		return err
	}
	return errors.Join(use(state), state.Close())
}

func newKey(environ []string) *cobra.Command {
	group := &cobra.Command{
		Use: "key", Short: "Manage API keys", Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	group.AddCommand(newKeyCreate(environ), newKeyLink(environ), newKeyList(environ), newKeyRevoke(environ), newKeySet(environ))
	return group
}

func newKeyCreate(environ []string) *cobra.Command {
	cmd := &cobra.Command{Use: "create", Short: "Make a key and print it, once", Args: exactly(0)}
	dataDir := dataDirFlag(cmd, environ)
	name := cmd.Flags().String("name", "", "what the key is called")
	role := cmd.Flags().String("role", string(fleet.RoleOperator), "admin, operator, inference or viewer")
	priority := priorityFlag(cmd)
	withLink := cmd.Flags().Bool("link", false, "print a link as well, which logs a browser in once, within "+linkLasts)
	address := urlFlag(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print a JSON object")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *name == "" {
			return program.Usage(errors.New("--name is needed"))
		}
		if cmd.Flags().Changed("url") && !*withLink {
			return program.Usage(errors.New("--url is for --link"))
		}
		base, err := address()
		if err != nil {
			return err
		}
		dir, err := dataDir()
		if err != nil {
			return err
		}
		return withState(cmd.Context(), dir, func(state *sqlite.State) error {
			keys := auth.NewKeyring(state, time.Now, hclog.NewNullLogger())
			secret, key, err := keys.Create(cmd.Context(), *name, fleet.Role(*role), *priority)
			if err != nil {
				return err
			}
			made := createdKey{ID: key.ID, Key: secret.Reveal(), Name: key.Name, Role: key.Role}
			if *withLink {
				if made.Link, err = loginLink(cmd.Context(), state, key.ID, base); err != nil {
					return err
				}
			}
			return made.print(cmd.OutOrStdout(), *asJSON)
		})
	}
	return cmd
}

// createdKey is a key that can't be had again.
type createdKey struct {
	ID   string     `json:"id"`
	Key  string     `json:"key"`
	Link string     `json:"link,omitempty"`
	Name string     `json:"name"`
	Role fleet.Role `json:"role"`
}

// print prints the key and, where there is one, the link, each on a line.
func (k createdKey) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(k)
	}
	text := k.Key + "\n"
	if k.Link != "" {
		text += k.Link + "\n"
	}
	_, err := io.WriteString(w, text)
	return err
}

func newKeyList(environ []string) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the keys", Args: exactly(0)}
	dataDir := dataDirFlag(cmd, environ)
	asJSON := cmd.Flags().Bool("json", false, "print a JSON array")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		dir, err := dataDir()
		if err != nil {
			return err
		}
		return withState(cmd.Context(), dir, func(state *sqlite.State) error {
			keys, err := state.Keys(cmd.Context())
			if err != nil {
				return err
			}
			if *asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(append([]fleet.Key{}, keys...)) // [] and not null
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "ID\tNAME\tROLE\tPRIORITY\tKEY\tCREATED\tSTATE")
			for _, k := range keys {
				state := "valid"
				if !k.RevokedAt.IsZero() {
					state = "revoked " + k.RevokedAt.UTC().Format(time.RFC3339)
				}
				fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s…\t%s\t%s\n", k.ID, k.Name, k.Role, k.Priority, k.Hint, k.CreatedAt.UTC().Format(time.RFC3339), state)
			}
			return table.Flush()
		})
	}
	return cmd
}

func newKeyRevoke(environ []string) *cobra.Command {
	cmd := &cobra.Command{Use: "revoke ID", Short: "Revoke a key; what it opened is closed within seconds", Args: exactly(1)}
	dataDir := dataDirFlag(cmd, environ)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		dir, err := dataDir()
		if err != nil {
			return err
		}
		return withState(cmd.Context(), dir, func(state *sqlite.State) error {
			return state.RevokeKey(cmd.Context(), args[0], time.Now())
		})
	}
	return cmd
}

func newToken(environ []string) *cobra.Command {
	group := &cobra.Command{
		Use: "token", Short: "Manage the tokens by which agents join", Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd := &cobra.Command{Use: "create", Short: "Make a token and print it, once", Args: exactly(0)}
	dataDir := dataDirFlag(cmd, environ)
	ttl := cmd.Flags().Duration("ttl", time.Hour, "how long the token can be used")
	uses := cmd.Flags().Int("uses", 1, "how many agents may join with it")
	labels := cmd.Flags().StringToString("label", nil, "labels that hosts which join with it get, key=value")
	approve := cmd.Flags().Bool("approve", false, "hosts that join with it wait until an operator lets them in, by corral host approve")
	asJSON := cmd.Flags().Bool("json", false, "print a JSON object")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		dir, err := dataDir()
		if err != nil {
			return err
		}
		return withState(cmd.Context(), dir, func(state *sqlite.State) error {
			authority, err := pki.Load(filepath.Join(dir, controlplane.PKIFolder), time.Now, hclog.NewNullLogger())
			if err != nil {
				return err
			}
			tokens := auth.NewJoinTokens(state, authority.Certificate(), time.Now)
			token, stored, err := tokens.CreateToken(cmd.Context(), auth.TokenSpec{TTL: *ttl, Uses: *uses, Labels: *labels, Approve: *approve})
			if err != nil {
				return err
			}
			if *asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{
					"token": token.Reveal(), "id": stored.ID, "expires_at": stored.ExpiresAt.UTC(), "uses": stored.UsesLeft, "approve": stored.Approve,
				})
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), token.Reveal())
			return err
		})
	}
	group.AddCommand(cmd)
	return group
}
