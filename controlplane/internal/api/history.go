package api

import (
	"context"
	"errors"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

const (
	defaultHistory = time.Hour
	// A sample each second for an hour, and the most that one answer holds.
	defaultHistoryLimit = 3600
	maxHistoryLimit     = 10_000
)

// errEnough ends the reading of samples.
var errEnough = errors.New("as many samples as were asked for")

// history answers with the samples of a host, oldest first. More than the limit
// are cut off at the end, which truncated says: ask again from next_from.
func (a *API) history(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	limit, err := integer(r.Query, "limit", defaultHistoryLimit, 1, maxHistoryLimit)
	if err != nil {
		return nil, err
	}
	to, err := moment(r.Query, "to", a.Now().UTC())
	if err != nil {
		return nil, err
	}
	from, err := moment(r.Query, "from", to.Add(-defaultHistory))
	if err != nil {
		return nil, err
	}
	if !from.Before(to) {
		return nil, fault.New(fault.Invalid, "the parameter %q is not before %q", "from", "to").On(fault.Caller)
	}
	if r.Query.Get("host") == "" {
		return nil, fault.New(fault.Invalid, "the parameter %q is missing; it is a host's id or name", "host").On(fault.Caller)
	}
	host, err := a.Registry.Find(r.Query.Get("host"))
	if err != nil {
		return nil, err
	}
	answer := historyAnswer{HostID: host.ID, Host: host.Name, From: from, To: to, Samples: []*fleet.Sample{}}
	if err := a.collect(ctx, &answer, limit); err != nil {
		return nil, err
	}
	return edge.JSON(200, answer)
}

type historyAnswer struct {
	HostID    string          `json:"host_id"`
	Host      string          `json:"host"`
	From      time.Time       `json:"from"`
	To        time.Time       `json:"to"`
	Samples   []*fleet.Sample `json:"samples"`
	Truncated bool            `json:"truncated"`
	NextFrom  *time.Time      `json:"next_from"` // null unless truncated
}

// collect reads samples into the answer. One that can't be read is a gap, as if
// it had never been taken.
func (a *API) collect(ctx context.Context, answer *historyAnswer, limit int) error {
	var lost gaps
	err := a.History.Samples(ctx, answer.HostID, answer.From, answer.To, func(row fleet.SampleRow) error {
		if len(answer.Samples) == limit {
			next := row.TakenAt.UTC()
			answer.Truncated, answer.NextFrom = true, &next
			return errEnough
		}
		sample, err := a.DecodeSample(row.Payload, row.TakenAt)
		if !lost.note(err) {
			answer.Samples = append(answer.Samples, sample)
		}
		return nil
	})
	if lost.rows > 0 {
		a.Log.Warn("stored samples could not be read", "host_id", answer.HostID, "rows", lost.rows, "error", lost.cause)
	}
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// gaps are the samples that could not be read.
type gaps struct {
	rows  int
	cause error // of the last one
}

// note reports whether there is a gap.
func (g *gaps) note(err error) bool {
	if err != nil {
		g.rows, g.cause = g.rows+1, err
	}
	return err != nil
}
