package client

import (
	"context"
	"net/url"
	"strconv"
	"time"
)

// UsageGroup is by what usage is added up.
type UsageGroup string

// The groups.
const (
	UsageByKey   UsageGroup = "key"
	UsageByModel UsageGroup = "model"
	UsageByHost  UsageGroup = "host"
	UsageByDay   UsageGroup = "day" // in UTC
)

// UsageRange says which requests are meant. Who is no operator gets those of
// their own key alone.
type UsageRange struct {
	From  time.Time // zero is a day before To
	To    time.Time // zero is now
	Limit int       // 0 is 100, the most 1000
}

// UsageTotals are what requests add up to, for whole hours.
type UsageTotals struct {
	From   time.Time    `json:"from"` // the beginning of its hour
	To     time.Time    `json:"to"`   // the end of its hour
	By     UsageGroup   `json:"by"`
	Totals []UsageTotal `json:"totals"` // days oldest first, others with the most requests first
	Lost   uint64       `json:"lost"`   // requests that could not be noted since the control plane started
}

// UsageTotal is what the requests of one key, model, host or day add up to.
type UsageTotal struct {
	ID        string   `json:"id"`   // of the key or host; else as Name
	Name      string   `json:"name"` // of a day as 2006-01-02; empty without a key, host, or model that there is
	Requests  int64    `json:"requests"`
	Failed    int64    `json:"failed"`
	GivenUp   int64    `json:"given_up"`
	Counted   int64    `json:"counted"` // requests whose tokens are known; the next two are of those
	Prompt    int64    `json:"prompt_tokens"`
	Generated int64    `json:"generated_tokens"`
	TotalMS   float64  `json:"total_ms"`       // the sum
	FirstMS   *float64 `json:"first_token_ms"` // the mean of those where it is known
}

// UsagePage is a page of requests, newest first.
type UsagePage struct {
	From     time.Time      `json:"from"`
	To       time.Time      `json:"to"`
	Requests []UsageRequest `json:"requests"`
	Cursor   *string        `json:"cursor"` // asks for the next page; nil on the last one
}

// UsageRequest is what is kept of one request to a model.
type UsageRequest struct {
	ID        string    `json:"id"`
	At        time.Time `json:"at"` // when it came
	KeyID     string    `json:"key_id"`
	Key       string    `json:"key"`   // its name at the time
	Asked     string    `json:"asked"` // the model as it was asked for
	Model     string    `json:"model"`
	Digest    string    `json:"digest"`
	HostID    string    `json:"host_id"`
	Host      string    `json:"host"` // its name at the time
	Instance  string    `json:"instance"`
	Dialect   string    `json:"dialect"`  // "ollama", "openai", "anthropic" or "dashboard"
	Route     string    `json:"route"`    // of Ollama
	Streamed  bool      `json:"streamed"` // or was to be
	Outcome   string    `json:"outcome"`  // "answered", "failed" or "given_up"
	Error     string    `json:"error"`    // its kind; empty without one
	QueueMS   float64   `json:"queue_ms"`
	LoadMS    *float64  `json:"load_ms"`
	FirstMS   *float64  `json:"first_token_ms"` // of a streamed answer
	TotalMS   float64   `json:"total_ms"`
	Prompt    *int64    `json:"prompt_tokens"` // by Ollama's own count, as the next two
	Generated *int64    `json:"generated_tokens"`
	PerSecond *float64  `json:"tokens_per_second"`
}

// Usage returns what requests add up to. It needs the role viewer.
func (c *Client) Usage(ctx context.Context, of UsageRange, by UsageGroup) (*UsageTotals, error) {
	what := get("api", "usage")
	what.query = of.query()
	what.query.Set("by", string(by))
	var totals UsageTotals
	if err := c.ask(ctx, what, &totals); err != nil {
		return nil, err
	}
	return &totals, nil
}

// UsageRequests returns a page of requests; cursor is that of the page before,
// and empty for the first one. It needs the role viewer.
func (c *Client) UsageRequests(ctx context.Context, of UsageRange, cursor string) (*UsagePage, error) {
	what := get("api", "usage", "requests")
	what.query = of.query()
	if cursor != "" {
		what.query.Set("cursor", cursor)
	}
	var page UsagePage
	if err := c.ask(ctx, what, &page); err != nil {
		return nil, err
	}
	return &page, nil
}

func (r UsageRange) query() url.Values {
	q := url.Values{}
	if !r.From.IsZero() {
		q.Set("from", r.From.Format(time.RFC3339Nano))
	}
	if !r.To.IsZero() {
		q.Set("to", r.To.Format(time.RFC3339Nano))
	}
	if r.Limit != 0 {
		q.Set("limit", strconv.Itoa(r.Limit))
	}
	return q
}
