package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// totalKey is what requests are added up by.
type totalKey struct {
	hour                 int64
	keyID, model, hostID string
}

// totalRow is what they add up to, in microseconds and tokens.
type totalRow struct {
	keyName, host             string // the last ones
	requests, failed, givenUp int64
	counted                   int64 // requests whose tokens are known
	prompt, generated         int64
	total, firsts, first      int64
}

func (t *totalRow) add(r *fleet.UsageRow) {
	t.keyName, t.host = r.Key, r.Host
	t.requests++
	switch r.Outcome {
	case fleet.Failed.String():
		t.failed++
	case fleet.GivenUp.String():
		t.givenUp++
	}
	if r.Prompt != nil || r.Generated != nil {
		t.counted++
	}
	if r.Prompt != nil {
		t.prompt += *r.Prompt
	}
	if r.Generated != nil {
		t.generated += *r.Generated
	}
	t.total += micros(r.TotalMS)
	if r.FirstMS != nil {
		t.firsts++
		t.first += micros(*r.FirstMS)
	}
}

// addUsage adds rows to the totals. They are added to each other first: many rows
// have few totals.
func addUsage(ctx context.Context, tx *sql.Tx, rows []fleet.UsageRow) (err error) {
	sums := map[totalKey]*totalRow{}
	for i := range rows {
		r := &rows[i]
		key := totalKey{hourOf(r.At), r.KeyID, r.Model, r.HostID}
		if sums[key] == nil {
			sums[key] = &totalRow{}
		}
		sums[key].add(r)
	}
	upsert, err := tx.PrepareContext(ctx,
		`INSERT INTO totals (hour, key_id, model, host_id, key_name, host, requests, failed, given_up, counted, prompt, generated, total, firsts, first)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
		ON CONFLICT (hour, key_id, model, host_id) DO UPDATE SET
			key_name = excluded.key_name, host = excluded.host, requests = totals.requests + excluded.requests,
			failed = totals.failed + excluded.failed, given_up = totals.given_up + excluded.given_up,
			counted = totals.counted + excluded.counted, prompt = totals.prompt + excluded.prompt,
			generated = totals.generated + excluded.generated, total = totals.total + excluded.total,
			firsts = totals.firsts + excluded.firsts, first = totals.first + excluded.first`)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, upsert.Close()) }()
	for key, t := range sums {
		if _, err := upsert.ExecContext(ctx, key.hour, key.keyID, key.model, key.hostID, t.keyName, t.host, t.requests,
			t.failed, t.givenUp, t.counted, t.prompt, t.generated, t.total, t.firsts, t.first); err != nil {
			return err
		}
	}
	return nil
}

// UsageTotals implements [fleet.UsageStore].
func (u *Usage) UsageTotals(ctx context.Context, f fleet.UsageFilter, by fleet.UsageGroup, limit int) (totals []fleet.UsageTotal, err error) {
	id, name, order := "", "", "amount DESC, id"
	switch by {
	case fleet.UsageByKey:
		id, name = "key_id", "MAX(key_name)"
	case fleet.UsageByModel:
		id, name = "model", "MAX(model)"
	case fleet.UsageByHost:
		id, name = "host_id", "MAX(host)"
	case fleet.UsageByDay:
		id, name, order = "hour / 24", "''", "id"
	default:
		return nil, fault.New(fault.Invalid, "usage is added up by key, model, host or day, not by %q", by).On(fault.Caller)
	}
	err = u.read(ctx, "add up usage", func(ctx context.Context, pool *sql.DB) (err error) {
		beyond := hourOf(f.To.Add(time.Hour - time.Microsecond))
		where, args := ofKey(f, hourOf(f.From), beyond, limit)
		totals, err = collect(ctx, pool, func(row scanner) (fleet.UsageTotal, error) { return scanTotal(row, by) },
			`SELECT `+id+` AS id, `+name+`, SUM(requests) AS amount, SUM(failed), SUM(given_up), SUM(counted),
				SUM(prompt), SUM(generated), SUM(total), SUM(firsts), SUM(first)
			FROM totals WHERE hour >= $1 AND hour < $2`+where+` GROUP BY 1 ORDER BY `+order+` LIMIT $3`, args...)
		return err
	})
	return totals, err
}

func scanTotal(row scanner, by fleet.UsageGroup) (t fleet.UsageTotal, err error) {
	var day, total, firsts, first int64
	id := any(&t.ID)
	if by == fleet.UsageByDay {
		id = &day
	}
	err = row.Scan(id, &t.Name, &t.Requests, &t.Failed, &t.GivenUp, &t.Counted, &t.Prompt, &t.Generated, &total, &firsts, &first)
	if by == fleet.UsageByDay {
		t.ID = time.Unix(day*int64(24*time.Hour/time.Second), 0).UTC().Format(time.DateOnly)
		t.Name = t.ID
	}
	t.TotalMS = millis(total)
	if firsts > 0 {
		t.FirstMS = new(millis(first) / float64(firsts))
	}
	return t, err
}
