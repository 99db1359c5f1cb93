package api

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

const (
	defaultUsage      = 24 * time.Hour
	defaultUsageLimit = 100
	maxUsageLimit     = 1000
)

type usageAnswer struct {
	From   time.Time          `json:"from"` // the beginning of its hour
	To     time.Time          `json:"to"`   // the end of its hour
	By     fleet.UsageGroup   `json:"by"`
	Totals []fleet.UsageTotal `json:"totals"`
	Lost   uint64             `json:"lost"` // requests that could not be noted since the server started
}

type usageRequestsAnswer struct {
	From     time.Time        `json:"from"`
	To       time.Time        `json:"to"`
	Requests []fleet.UsageRow `json:"requests"` // newest first
	Cursor   *string          `json:"cursor"`   // asks for those that follow; null at the end
}

// usage answers with what requests add up to.
func (a *API) usage(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	f, limit, err := a.usageFilter(r)
	if err != nil {
		return nil, err
	}
	by := fleet.UsageGroup(r.Query.Get("by"))
	switch by {
	case "":
		by = fleet.UsageByModel
	case fleet.UsageByKey, fleet.UsageByModel, fleet.UsageByHost, fleet.UsageByDay:
	default:
		return nil, fault.New(fault.Invalid, "the parameter %q is %q, and neither key, model, host nor day", "by", by).On(fault.Caller)
	}
	totals, err := a.Usage.UsageTotals(ctx, f, by, limit)
	if err != nil {
		return nil, err
	}
	answer := usageAnswer{
		From: f.From.Truncate(time.Hour), To: f.To.Add(time.Hour - 1).Truncate(time.Hour), By: by,
		Totals: append([]fleet.UsageTotal{}, totals...), Lost: a.LostUsage(),
	}
	return edge.JSON(200, answer)
}

// usageRequests answers with the requests one by one.
func (a *API) usageRequests(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	f, limit, err := a.usageFilter(r)
	if err != nil {
		return nil, err
	}
	after, err := usagePlace(r.Query)
	if err != nil {
		return nil, err
	}
	rows, next, err := a.Usage.UsageRows(ctx, f, after, limit)
	if err != nil {
		return nil, err
	}
	answer := usageRequestsAnswer{From: f.From, To: f.To, Requests: append([]fleet.UsageRow{}, rows...)}
	if next != (fleet.UsagePlace{}) {
		answer.Cursor = new(strconv.FormatInt(next.At.UnixMicro(), 36) + "-" + strconv.FormatInt(next.Number, 36))
	}
	return edge.JSON(200, answer)
}

// usageFilter reads which requests are asked for. Who does not manage the fleet
// sees those of their own key alone.
func (a *API) usageFilter(r *edge.Request) (f fleet.UsageFilter, limit int, err error) {
	if limit, err = integer(r.Query, "limit", defaultUsageLimit, 1, maxUsageLimit); err != nil {
		return f, 0, err
	}
	if f.To, err = moment(r.Query, "to", a.Now().UTC()); err != nil {
		return f, 0, err
	}
	if f.From, err = moment(r.Query, "from", f.To.Add(-defaultUsage)); err != nil {
		return f, 0, err
	}
	if !f.From.Before(f.To) {
		return f, 0, fault.New(fault.Invalid, "the parameter %q is not before %q", "from", "to").On(fault.Caller)
	}
	if r.Caller.May < edge.Operate {
		f.OneKey, f.KeyID = true, r.Caller.ID
	}
	return f, limit, nil
}

// usagePlace reads a cursor that an answer gave.
func usagePlace(q url.Values) (fleet.UsagePlace, error) {
	text := q.Get("cursor")
	if text == "" {
		return fleet.UsagePlace{}, nil
	}
	at, number, _ := strings.Cut(text, "-")
	micros, err := strconv.ParseInt(at, 36, 64)
	if err == nil {
		var n int64
		if n, err = strconv.ParseInt(number, 36, 64); err == nil {
			return fleet.UsagePlace{At: time.UnixMicro(micros).UTC(), Number: n}, nil
		}
	}
	return fleet.UsagePlace{}, fault.Wrap(fault.Invalid, err, "the parameter %q is none that an answer gave", "cursor").On(fault.Caller)
}
