package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// Enrol implements [fleet.HostStore]. A host id that exists already with
// another public key is fault.Conflict.
func (s *State) Enrol(ctx context.Context, tokenHash []byte, now time.Time, h fleet.Host) (stored fleet.Host, err error) {
	err = s.write(ctx, "enrol host", func(ctx context.Context, tx *sql.Tx) error {
		stored, err = enrol(ctx, tx, tokenHash, now, h)
		return err
	})
	if err != nil {
		return fleet.Host{}, err
	}
	return stored, nil
}

func enrol(ctx context.Context, tx *sql.Tx, tokenHash []byte, now time.Time, h fleet.Host) (fleet.Host, error) {
	// An agent that never heard the answer to its first try comes again with
	// the same token, which may have been used up by that very try.
	known, err := scanHost(tx.QueryRowContext(ctx, `SELECT `+hostColumns+` FROM hosts WHERE id = $1`, h.ID))
	switch {
	case err == nil && !bytes.Equal(known.PublicKey, h.PublicKey):
		return fleet.Host{}, fault.New(fault.Conflict, "the host id %q belongs to another key", h.ID)
	case err == nil:
		return known, nil
	case !errors.Is(err, sql.ErrNoRows):
		return fleet.Host{}, err
	}
	token, err := spendToken(ctx, tx, tokenHash, now)
	if err != nil {
		return fleet.Host{}, err
	}
	if h.Name, err = freeName(ctx, tx, h.Name); err != nil {
		return fleet.Host{}, err
	}
	h.Labels, h.Pending = merge(token.Labels, h.Labels), token.Approve
	return insertHost(ctx, tx, h)
}

// freeName returns the name, or the name with the lowest number from 2 on that
// no host bears.
func freeName(ctx context.Context, tx *sql.Tx, name string) (string, error) {
	for candidate, n := name, 2; ; n++ {
		taken, err := exists(ctx, tx, "SELECT 1 FROM hosts WHERE name = $1", candidate)
		if err != nil || !taken {
			return candidate, err
		}
		candidate = fmt.Sprintf("%s-%d", name, n)
	}
}

// merge returns the labels of both; where both have one, over's stands.
func merge(under, over map[string]string) map[string]string {
	merged := make(map[string]string, len(under)+len(over))
	maps.Copy(merged, under)
	maps.Copy(merged, over)
	return merged
}

// insertHost stores a new host and returns it as it is read back.
func insertHost(ctx context.Context, tx *sql.Tx, h fleet.Host) (fleet.Host, error) {
	labels, facts, err := encodeHost(h)
	if err != nil {
		return fleet.Host{}, err
	}
	return scanHost(tx.QueryRowContext(ctx,
		`INSERT INTO hosts (`+hostColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING `+hostColumns,
		h.ID, h.Name, h.PublicKey, labels, column(h.JoinedAt), optionalColumn(h.SeenAt), h.Draining, facts, h.Pending, h.Parted))
}
