package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

const modelColumns = `name, description, files, loader, info, quantize, digest, pinned, labels, problem,
	everywhere, deleted_at, purge_at, created_at, changed_at, options, aliases, other_digests`

// SaveModel implements [fleet.CatalogueStore].
func (s *State) SaveModel(ctx context.Context, models ...fleet.StoredModel) error {
	return s.write(ctx, "save model", func(ctx context.Context, tx *sql.Tx) error {
		for i := range models {
			if err := saveModel(ctx, tx, &models[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func saveModel(ctx context.Context, tx *sql.Tx, m *fleet.StoredModel) error {
	files, err := json.Marshal(m.Files)
	if err != nil {
		return err
	}
	labels, err := encodeLabels(m.Labels)
	if err != nil {
		return err
	}
	aliases, err := json.Marshal(m.Aliases)
	if err != nil {
		return err
	}
	others, err := json.Marshal(m.OtherDigests)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx,
		`INSERT INTO models (canonical, `+modelColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
		ON CONFLICT (canonical) DO UPDATE SET name = $2, description = $3, files = $4, loader = $5, info = $6, quantize = $7, digest = $8,
			pinned = $9, labels = $10, problem = $11, everywhere = $12, deleted_at = $13, purge_at = $14, changed_at = $16, options = $17, aliases = $18, other_digests = $19`,
		fleet.CanonicalModel(m.Name), m.Name, m.Description, string(files), m.Loader, string(m.Info), m.Quantize, m.Digest, m.Pinned, labels,
		m.Problem, m.Everywhere, optionalColumn(m.DeletedAt), optionalColumn(m.PurgeAt), column(m.CreatedAt), column(m.ChangedAt), string(m.Options), string(aliases), string(others))
	return err
}

// StoredModels implements [fleet.CatalogueStore].
func (s *State) StoredModels(ctx context.Context) (list []fleet.StoredModel, err error) {
	err = s.read(ctx, "list models", func(ctx context.Context, pool *sql.DB) error {
		list, err = collect(ctx, pool, scanModel, `SELECT `+modelColumns+` FROM models ORDER BY canonical`)
		return err
	})
	return list, err
}

func scanModel(row scanner) (fleet.StoredModel, error) {
	var (
		m                                             fleet.StoredModel
		files, info, options, labels, aliases, others string
		deleted, purge                                sql.NullInt64
		created, changed                              int64
	)
	if err := row.Scan(&m.Name, &m.Description, &files, &m.Loader, &info, &m.Quantize, &m.Digest, &m.Pinned, &labels, &m.Problem,
		&m.Everywhere, &deleted, &purge, &created, &changed, &options, &aliases, &others); err != nil {
		return m, err
	}
	if info != "" {
		m.Info = json.RawMessage(info)
	}
	if options != "" {
		m.Options = json.RawMessage(options)
	}
	m.DeletedAt, m.PurgeAt = optionalTime(deleted), optionalTime(purge)
	m.CreatedAt, m.ChangedAt = timeOf(created), timeOf(changed)
	var err error
	m.Labels, err = decodeLabels(labels)
	return m, errors.Join(err, json.Unmarshal([]byte(files), &m.Files), json.Unmarshal([]byte(aliases), &m.Aliases), json.Unmarshal([]byte(others), &m.OtherDigests))
}

// RemoveModel implements [fleet.CatalogueStore].
func (s *State) RemoveModel(ctx context.Context, name string) error {
	return s.write(ctx, "remove model", func(ctx context.Context, tx *sql.Tx) error {
		name := fleet.CanonicalModel(name)
		known, err := changed(ctx, tx, `DELETE FROM models WHERE canonical = $1`, name)
		if err != nil {
			return err
		}
		if !known {
			return fault.New(fault.NotFound, "the catalogue has no model %q", name).On(fault.Caller)
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM placements WHERE model = $1`, name)
		return err
	})
}

// Place implements [fleet.CatalogueStore].
func (s *State) Place(ctx context.Context, placements []fleet.Placement) error {
	return s.write(ctx, "place model", func(ctx context.Context, tx *sql.Tx) error {
		for _, p := range placements {
			if _, err := tx.ExecContext(ctx,
				`INSERT INTO placements (model, host_id, instance, wanted, cached, digest, since) VALUES ($1, $2, $3, $4, $5, $6, $7)
				ON CONFLICT (model, host_id, instance) DO UPDATE SET wanted = $4, cached = $5, digest = $6, since = $7`,
				fleet.CanonicalModel(p.Model), p.HostID, p.Instance, p.Wanted, p.Cached, p.Digest, column(p.Since)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Placements implements [fleet.CatalogueStore].
func (s *State) Placements(ctx context.Context) (list []fleet.Placement, err error) {
	err = s.read(ctx, "list placements", func(ctx context.Context, pool *sql.DB) error {
		list, err = collect(ctx, pool, func(row scanner) (fleet.Placement, error) {
			var (
				p     fleet.Placement
				since int64
			)
			err := row.Scan(&p.Model, &p.HostID, &p.Instance, &p.Wanted, &p.Cached, &p.Digest, &since)
			p.Since = timeOf(since)
			return p, err
		}, `SELECT model, host_id, instance, wanted, cached, digest, since FROM placements ORDER BY model, host_id, instance`)
		return err
	})
	return list, err
}

// Unplace implements [fleet.CatalogueStore].
func (s *State) Unplace(ctx context.Context, placements []fleet.Placement) error {
	return s.write(ctx, "forget placements", func(ctx context.Context, tx *sql.Tx) error {
		for _, p := range placements {
			if _, err := tx.ExecContext(ctx, `DELETE FROM placements WHERE model = $1 AND host_id = $2 AND instance = $3`,
				fleet.CanonicalModel(p.Model), p.HostID, p.Instance); err != nil {
				return err
			}
		}
		return nil
	})
}
