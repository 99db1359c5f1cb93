package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// CreateLoginLink stores a link for logging in, by the hash of its secret, for
// the holder of a key, and forgets those that have expired by now. A key that is
// unknown or revoked is fault.NotFound.
func (s *State) CreateLoginLink(ctx context.Context, hash []byte, keyID string, now, expires time.Time) error {
	return s.write(ctx, "create login link", func(ctx context.Context, tx *sql.Tx) error {
		good, err := exists(ctx, tx, "SELECT 1 FROM api_keys WHERE id = $1 AND revoked_at IS NULL", keyID)
		if err != nil {
			return err
		}
		if !good {
			return fault.New(fault.NotFound, "no key that is good has the id %q", keyID)
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM login_links WHERE expires_at <= $1", column(now)); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO login_links (hash, key_id, expires_at) VALUES ($1, $2, $3)", hash, keyID, column(expires))
		return err
	})
}

// SpendLoginLink ends a link and returns the id of its key; of several calls one
// gets it. A link that is unknown, expired, spent, or whose key was revoked is
// fault.Unauthenticated with the reason.
func (s *State) SpendLoginLink(ctx context.Context, hash []byte, now time.Time) (keyID string, err error) {
	// Strangers may try as many as they like: what can't be spent costs a read,
	// and keeps no writer waiting.
	err = s.read(ctx, "look at login link", func(ctx context.Context, pool *sql.DB) error {
		_, err := goodLink(ctx, pool, hash, now)
		return err
	})
	if err != nil {
		return "", err
	}
	err = s.write(ctx, "spend login link", func(ctx context.Context, tx *sql.Tx) error {
		if keyID, err = goodLink(ctx, tx, hash, now); err != nil {
			return err
		}
		// The statement itself looks again: where transactions run side by side,
		// what was read above may be old.
		first, err := changed(ctx, tx, "UPDATE login_links SET spent_at = $1 WHERE hash = $2 AND spent_at IS NULL", column(now), hash)
		if err == nil && !first {
			return errLinkSpent()
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return keyID, nil
}

// goodLink returns the id of the key of a link that can still be spent.
func goodLink(ctx context.Context, q rowQuerier, hash []byte, now time.Time) (keyID string, err error) {
	var (
		expires int64
		spent   sql.NullInt64
		good    bool
	)
	err = q.QueryRowContext(ctx,
		`SELECT l.key_id, l.expires_at, l.spent_at, k.id IS NOT NULL AND k.revoked_at IS NULL
		FROM login_links l LEFT JOIN api_keys k ON k.id = l.key_id WHERE l.hash = $1`, hash).Scan(&keyID, &expires, &spent, &good)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", fault.New(fault.Unauthenticated, "the link is not known here or has expired; %s", anotherLink).On(fault.Caller)
	case err != nil:
		return "", err
	case spent.Valid:
		return "", errLinkSpent()
	case !now.Before(timeOf(expires)):
		return "", fault.New(fault.Unauthenticated, "the link has expired; %s", anotherLink).On(fault.Caller)
	case !good:
		return "", fault.New(fault.Unauthenticated, "the key that the link was made for was revoked").On(fault.Caller)
	}
	return keyID, nil
}

// rowQuerier is what a query of one row can be asked of: a pool or a transaction.
type rowQuerier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// anotherLink says how to go on.
const anotherLink = `"corral-controlplane key link" makes another`

func errLinkSpent() error {
	return fault.New(fault.Unauthenticated, "the link was used already, and is good once; %s", anotherLink).On(fault.Caller)
}
