package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/corral-fleet/corral/controlplane/internal/auth"
	"github.com/corral-fleet/corral/controlplane/internal/sqlite"
	"github.com/corral-fleet/corral/sdk/program"
)

// linkLasts says in words what [auth.LinkTTL] is.
const linkLasts = "15 minutes"

func newKeyLink(environ []string) *cobra.Command {
	cmd := &cobra.Command{
		Use: "link NAME|ID", Args: exactly(1),
		Short: "Print a link that logs the holder of a key in, once, within " + linkLasts,
	}
	dataDir := dataDirFlag(cmd, environ)
	address := urlFlag(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print a JSON object")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		base, err := address()
		if err != nil {
			return err
		}
		dir, err := dataDir()
		if err != nil {
			return err
		}
		return withState(cmd.Context(), dir, func(state *sqlite.State) error {
			key, err := auth.FindKey(cmd.Context(), state, args[0])
			if err != nil {
				return err
			}
			link, err := loginLink(cmd.Context(), state, key.ID, base)
			if err != nil {
				return err
			}
			if *asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{"id": key.ID, "link": link, "name": key.Name, "role": key.Role})
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), link)
			return err
		})
	}
	return cmd
}

// urlFlag adds --url, the address at which browsers find the control plane. The
// returned function gives it without a slash at its end.
func urlFlag(cmd *cobra.Command) func() (string, error) {
	given := cmd.Flags().String("url", "http://localhost:11435", "where browsers find the control plane, for the link")
	return func() (string, error) {
		parsed, err := url.Parse(*given)
		if err != nil || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Host == "" || parsed.RawQuery != "" || parsed.Fragment != "" {
			return "", program.Usage(fmt.Errorf("--url: %q is no address such as https://corral.example.com:11435", *given))
		}
		return strings.TrimRight(*given, "/"), nil
	}
}

// loginLink makes a link for the holder of a key. Its secret stands behind the
// #, which browsers keep to themselves, so that no server's log has it.
func loginLink(ctx context.Context, state *sqlite.State, keyID, base string) (string, error) {
	secret, err := auth.NewLinks(state, time.Now).Create(ctx, keyID)
	if err != nil {
		return "", err
	}
	return base + "/login#" + secret.Reveal(), nil
}
