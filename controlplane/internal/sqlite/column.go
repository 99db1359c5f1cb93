package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"
)

// scanner is a row of a result.
type scanner interface{ Scan(into ...any) error }

// querier is what a query can be asked of: a pool or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// collect returns what scan makes of each row of a query.
func collect[T any](ctx context.Context, q querier, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close() // Err has what matters
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// column turns a known time into a column's value.
func column(t time.Time) int64 { return t.UnixMicro() }

// optionalColumn turns a time that may be unknown into a column's value.
func optionalColumn(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMicro(), Valid: !t.IsZero()}
}

// timeOf is the inverse of column.
func timeOf(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

// optionalTime is the inverse of optionalColumn.
func optionalTime(c sql.NullInt64) time.Time {
	if !c.Valid {
		return time.Time{}
	}
	return timeOf(c.Int64)
}

// encodeLabels returns labels as a column's value; none are an empty object.
func encodeLabels(labels map[string]string) (string, error) {
	if len(labels) == 0 {
		return "{}", nil
	}
	text, err := json.Marshal(labels)
	return string(text), err
}

// decodeLabels is the inverse of encodeLabels.
func decodeLabels(text string) (map[string]string, error) {
	var labels map[string]string
	err := json.Unmarshal([]byte(text), &labels)
	if len(labels) == 0 {
		labels = nil
	}
	return labels, err
}

// exists reports whether a query has a row.
func exists(ctx context.Context, tx *sql.Tx, query string, args ...any) (bool, error) {
	var found bool
	err := tx.QueryRowContext(ctx, "SELECT EXISTS ("+query+")", args...).Scan(&found)
	return found, err
}

// changed runs a statement and reports whether it changed any row.
func changed(ctx context.Context, tx *sql.Tx, statement string, args ...any) (bool, error) {
	result, err := tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}
