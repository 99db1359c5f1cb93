package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

const hostColumns = "id, name, public_key, labels, joined_at, seen_at, draining, facts, pending, parted"

// Hosts implements [fleet.HostStore]. They come in the order of their names.
func (s *State) Hosts(ctx context.Context) (hosts []fleet.Host, err error) {
	err = s.read(ctx, "list hosts", func(ctx context.Context, pool *sql.DB) error {
		hosts, err = collect(ctx, pool, scanHost, `SELECT `+hostColumns+` FROM hosts ORDER BY name`)
		return err
	})
	return hosts, err
}

// SaveHost implements [fleet.HostStore].
func (s *State) SaveHost(ctx context.Context, h fleet.Host) error {
	labels, facts, err := encodeHost(h)
	if err != nil {
		return err
	}
	return s.write(ctx, "save host", func(ctx context.Context, tx *sql.Tx) error {
		taken, err := exists(ctx, tx, "SELECT 1 FROM hosts WHERE name = $1 AND id <> $2", h.Name, h.ID)
		if err != nil {
			return err
		}
		if taken {
			return fault.New(fault.Conflict, "another host is named %q", h.Name)
		}
		known, err := changed(ctx, tx,
			`UPDATE hosts SET name = $1, public_key = $2, labels = $3, joined_at = $4, draining = $5, facts = $6, pending = $7
			WHERE id = $8`,
			h.Name, h.PublicKey, labels, column(h.JoinedAt), h.Draining, facts, h.Pending, h.ID)
		if err == nil && !known {
			return noHost(h.ID)
		}
		return err
	})
}

// RemoveHost implements [fleet.HostStore].
func (s *State) RemoveHost(ctx context.Context, id string) error {
	return s.write(ctx, "remove host", func(ctx context.Context, tx *sql.Tx) error {
		known, err := changed(ctx, tx, "DELETE FROM hosts WHERE id = $1", id)
		if err == nil && !known {
			return noHost(id)
		}
		return err
	})
}

// BeginSession implements [fleet.HostStore].
func (s *State) BeginSession(ctx context.Context, id string, at time.Time) (epoch uint64, err error) {
	err = s.write(ctx, "begin session", func(ctx context.Context, tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx,
			`UPDATE hosts SET session_epoch = session_epoch + 1, seen_at = $1, parted = '' WHERE id = $2 RETURNING session_epoch`,
			column(at), id).Scan(&epoch)
		if errors.Is(err, sql.ErrNoRows) {
			return noHost(id)
		}
		return err
	})
	if err != nil {
		return 0, err // an epoch that was not committed is nobody's
	}
	return epoch, nil
}

// EndSession implements [fleet.HostStore].
func (s *State) EndSession(ctx context.Context, id string, epoch uint64, at time.Time, parted fleet.HostState) error {
	return s.write(ctx, "end session", func(ctx context.Context, tx *sql.Tx) error {
		known, err := changed(ctx, tx,
			"UPDATE hosts SET seen_at = $1, parted = CASE session_epoch WHEN $2 THEN $3 ELSE parted END WHERE id = $4",
			column(at), epoch, parted, id)
		if err == nil && !known {
			return noHost(id)
		}
		return err
	})
}

func noHost(id string) error { return fault.New(fault.NotFound, "no host has the id %q", id) }

func encodeHost(h fleet.Host) (labels, facts string, err error) {
	if labels, err = encodeLabels(h.Labels); err != nil {
		return "", "", err
	}
	text, err := json.Marshal(h.Facts)
	return labels, string(text), err
}

func scanHost(row scanner) (fleet.Host, error) {
	var (
		h             fleet.Host
		labels, facts string
		joined        int64
		seen          sql.NullInt64
	)
	if err := row.Scan(&h.ID, &h.Name, &h.PublicKey, &labels, &joined, &seen, &h.Draining, &facts, &h.Pending, &h.Parted); err != nil {
		return h, err
	}
	h.JoinedAt, h.SeenAt = timeOf(joined), optionalTime(seen)
	var err error
	if h.Labels, err = decodeLabels(labels); err != nil {
		return h, err
	}
	return h, json.Unmarshal([]byte(facts), &h.Facts)
}
