package client

import (
	"context"
	"net/http"
	"time"
)

// Token lets agents join. Its secret is known to who made it alone.
type Token struct {
	ID        string            `json:"id"`
	Labels    map[string]string `json:"labels,omitempty"` // of the hosts that join with it
	CreatedAt time.Time         `json:"created_at"`
	ExpiresAt time.Time         `json:"expires_at"`
	UsesLeft  int               `json:"uses_left"`
	Approve   bool              `json:"approve"` // hosts that join with it wait for an operator's approval
	RevokedAt time.Time         `json:"revoked_at,omitzero"`
}

// Tokens returns the tokens with which a host can join now, oldest first. It
// needs the role admin.
func (c *Client) Tokens(ctx context.Context) ([]Token, error) {
	var tokens []Token
	if err := c.ask(ctx, get("api", "tokens"), &tokens); err != nil {
		return nil, err
	}
	return tokens, nil
}

// RevokeToken ends a token; hosts that joined with it stay. There is none with
// this id is fault.NotFound. It needs the role admin.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	res, err := c.send(ctx, call{method: http.MethodDelete, path: []string{"api", "tokens", id}})
	if err != nil {
		return err
	}
	return res.Body.Close()
}
