package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

const uploadColumns = `id, name, description, storage, hosts, quantize, files, size_bytes, owner_id,
	state, offset_bytes, hash, problem, created_at, changed_at, expires_at, based_on, begun_under, begun_with`

// CreateUpload implements [fleet.UploadStore].
func (s *State) CreateUpload(ctx context.Context, u fleet.Upload) error {
	hosts, err := json.Marshal(u.Hosts)
	if err != nil {
		return err
	}
	files, err := json.Marshal(u.Files)
	if err != nil {
		return err
	}
	return s.write(ctx, "create upload", func(ctx context.Context, tx *sql.Tx) error {
		created, err := changed(ctx, tx,
			`INSERT INTO uploads (`+uploadColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) ON CONFLICT DO NOTHING`,
			u.ID, u.Name, u.Description, u.Storage, string(hosts), u.Quantize, string(files), u.SizeBytes, u.OwnerID,
			u.State, u.OffsetBytes, u.Hash, u.Problem, column(u.CreatedAt), column(u.ChangedAt), column(u.ExpiresAt), u.From, u.BegunUnder, u.BegunWith)
		if err == nil && !created {
			return fault.New(fault.Conflict, "an upload %q exists already, or one that was begun under the same", u.ID)
		}
		return err
	})
}

// Upload implements [fleet.UploadStore].
func (s *State) Upload(ctx context.Context, id string) (u fleet.Upload, err error) {
	err = s.read(ctx, "read upload", func(ctx context.Context, pool *sql.DB) error {
		u, err = scanUpload(pool.QueryRowContext(ctx, `SELECT `+uploadColumns+` FROM uploads WHERE id = $1`, id))
		if errors.Is(err, sql.ErrNoRows) {
			return fault.New(fault.NotFound, "there is no upload %q", id).On(fault.Caller)
		}
		return err
	})
	return u, err
}

// UploadBegunUnder implements [fleet.UploadStore].
func (s *State) UploadBegunUnder(ctx context.Context, ownerID, begunUnder string) (u fleet.Upload, err error) {
	err = s.read(ctx, "read upload", func(ctx context.Context, pool *sql.DB) error {
		// What the index is of is said once more, or it is not used.
		u, err = scanUpload(pool.QueryRowContext(ctx,
			`SELECT `+uploadColumns+` FROM uploads WHERE owner_id = $1 AND begun_under = $2 AND begun_under <> ''`, ownerID, begunUnder))
		if errors.Is(err, sql.ErrNoRows) {
			return fault.New(fault.NotFound, "no upload was begun under %q", begunUnder).On(fault.Caller)
		}
		return err
	})
	return u, err
}

// Uploads implements [fleet.UploadStore].
func (s *State) Uploads(ctx context.Context) (list []fleet.Upload, err error) {
	err = s.read(ctx, "list uploads", func(ctx context.Context, pool *sql.DB) error {
		list, err = collect(ctx, pool, scanUpload, `SELECT `+uploadColumns+` FROM uploads ORDER BY created_at, id`)
		return err
	})
	return list, err
}

// SaveUpload implements [fleet.UploadStore].
func (s *State) SaveUpload(ctx context.Context, u fleet.Upload) error {
	files, err := json.Marshal(u.Files)
	if err != nil {
		return err
	}
	return s.write(ctx, "save upload", func(ctx context.Context, tx *sql.Tx) error {
		known, err := changed(ctx, tx,
			`UPDATE uploads SET files = $1, state = $2, offset_bytes = $3, hash = $4, problem = $5, changed_at = $6, expires_at = $7
			WHERE id = $8`,
			string(files), u.State, u.OffsetBytes, u.Hash, u.Problem, column(u.ChangedAt), column(u.ExpiresAt), u.ID)
		if err == nil && !known {
			return fault.New(fault.NotFound, "there is no upload %q", u.ID).On(fault.Caller)
		}
		return err
	})
}

// RemoveUpload implements [fleet.UploadStore].
func (s *State) RemoveUpload(ctx context.Context, id string) error {
	return s.write(ctx, "remove upload", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM uploads WHERE id = $1`, id)
		return err
	})
}

func scanUpload(row scanner) (fleet.Upload, error) {
	var (
		u                         fleet.Upload
		hosts, files              string
		created, changed, expires int64
	)
	if err := row.Scan(&u.ID, &u.Name, &u.Description, &u.Storage, &hosts, &u.Quantize, &files, &u.SizeBytes, &u.OwnerID,
		&u.State, &u.OffsetBytes, &u.Hash, &u.Problem, &created, &changed, &expires, &u.From, &u.BegunUnder, &u.BegunWith); err != nil {
		return u, err
	}
	u.CreatedAt, u.ChangedAt, u.ExpiresAt = timeOf(created), timeOf(changed), timeOf(expires)
	return u, errors.Join(json.Unmarshal([]byte(hosts), &u.Hosts), json.Unmarshal([]byte(files), &u.Files))
}
