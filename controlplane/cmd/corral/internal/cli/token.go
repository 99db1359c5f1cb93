package cli

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

func (s *session) tokenCommand() *cobra.Command {
	return group("token", "See and revoke the tokens with which hosts join", s.tokenListCommand(), s.tokenRevokeCommand())
}

func (s *session) tokenListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the tokens with which a host can join now", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			tokens, err := c.Tokens(cmd.Context())
			if err != nil {
				return err
			}
			if s.output == outputJSON {
				return s.json(tokens)
			}
			if len(tokens) == 0 {
				_, err := fmt.Fprintln(s.Stdout, "no token is good now; corral-controlplane token create makes one")
				return err
			}
			t := newTable(s.Stdout, "ID", "USES LEFT", "APPROVAL", "EXPIRES", "LABELS")
			for _, token := range tokens {
				approval := "no"
				if token.Approve {
					approval = "yes"
				}
				t.row(token.ID, strconv.Itoa(token.UsesLeft), approval, token.ExpiresAt.UTC().Format(time.DateTime), labels(token.Labels))
			}
			return t.flush()
		},
	}
}

func (s *session) tokenRevokeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "Revoke a token; hosts that joined with it stay", Args: exactly("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := s.client()
			if err != nil {
				return err
			}
			if err := c.RevokeToken(cmd.Context(), args[0]); err != nil {
				return err
			}
			_, err = fmt.Fprintf(s.Stdout, "token %s is revoked\n", args[0])
			return err
		},
	}
}
