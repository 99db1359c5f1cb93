package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

const tokenColumns = "id, hash, labels, created_at, expires_at, uses_left, revoked_at, approve"

// CreateToken implements [fleet.TokenStore].
func (s *State) CreateToken(ctx context.Context, t fleet.Token) error {
	labels, err := encodeLabels(t.Labels)
	if err != nil {
		return err
	}
	return s.write(ctx, "create token", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx,
			`INSERT INTO join_tokens (`+tokenColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			t.ID, t.Hash, labels, column(t.CreatedAt), column(t.ExpiresAt), t.UsesLeft, optionalColumn(t.RevokedAt), t.Approve)
		return err
	})
}

// Tokens implements [fleet.TokenStore].
func (s *State) Tokens(ctx context.Context, now time.Time) (tokens []fleet.Token, err error) {
	err = s.read(ctx, "list tokens", func(ctx context.Context, pool *sql.DB) error {
		tokens, err = collect(ctx, pool, scanToken,
			`SELECT `+tokenColumns+` FROM join_tokens
			WHERE uses_left > 0 AND expires_at > $1 AND revoked_at IS NULL ORDER BY created_at, id`, column(now))
		return err
	})
	return tokens, err
}

// RevokeToken implements [fleet.TokenStore].
func (s *State) RevokeToken(ctx context.Context, id string, at time.Time) error {
	return s.write(ctx, "revoke token", func(ctx context.Context, tx *sql.Tx) error {
		known, err := changed(ctx, tx, "UPDATE join_tokens SET revoked_at = COALESCE(revoked_at, $1) WHERE id = $2", column(at), id)
		if err == nil && !known {
			return fault.New(fault.NotFound, "no join token has the id %q", id)
		}
		return err
	})
}

// spendToken takes one use of the token with this hash and returns the token.
func spendToken(ctx context.Context, tx *sql.Tx, hash []byte, now time.Time) (fleet.Token, error) {
	t, err := scanToken(tx.QueryRowContext(ctx, `SELECT `+tokenColumns+` FROM join_tokens WHERE hash = $1`, hash))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return t, fault.New(fault.Unauthenticated, "the join token is not known here")
	case err != nil:
		return t, err
	case !t.RevokedAt.IsZero():
		return t, fault.New(fault.Unauthenticated, "the join token was revoked")
	case !now.Before(t.ExpiresAt):
		return t, fault.New(fault.Unauthenticated, "the join token has expired")
	}
	// The statement itself looks at what is left: where transactions run side
	// by side, what was read above may be old.
	spent, err := changed(ctx, tx, `UPDATE join_tokens SET uses_left = uses_left - 1 WHERE id = $1 AND uses_left > 0`, t.ID)
	if err == nil && !spent {
		return t, fault.New(fault.Unauthenticated, "the join token is used up")
	}
	return t, err
}

func scanToken(row scanner) (fleet.Token, error) {
	var (
		t                fleet.Token
		labels           string
		created, expires int64
		revoked          sql.NullInt64
	)
	if err := row.Scan(&t.ID, &t.Hash, &labels, &created, &expires, &t.UsesLeft, &revoked, &t.Approve); err != nil {
		return t, err
	}
	t.CreatedAt, t.ExpiresAt, t.RevokedAt = timeOf(created), timeOf(expires), optionalTime(revoked)
	var err error
	t.Labels, err = decodeLabels(labels)
	return t, err
}
