package fleet

import (
	"context"
	"time"
)

// Origin is who makes a call, and in which dialect.
type Origin struct {
	KeyID    string // empty without a key
	KeyName  string
	Priority int    // of the key; see [Key]
	Dialect  string // "ollama", "openai", "anthropic" or "dashboard"
}

// UsageRow is what is kept of one request to a model. What is not known is nil or
// empty.
type UsageRow struct {
	ID        string    `json:"id"` // of the [Decision] where there is one
	At        time.Time `json:"at"` // when the request came
	KeyID     string    `json:"key_id"`
	Key       string    `json:"key"`   // its name at the time
	Asked     string    `json:"asked"` // the model as it was asked for
	Model     string    `json:"model"` // its canonical name
	Digest    string    `json:"digest"`
	HostID    string    `json:"host_id"`
	Host      string    `json:"host"` // its name at the time
	Instance  string    `json:"instance"`
	Dialect   string    `json:"dialect"`
	Route     string    `json:"route"`          // of Ollama
	Streamed  bool      `json:"streamed"`       // or was to be
	Outcome   string    `json:"outcome"`        // "answered", "failed" or "given_up"
	Error     string    `json:"error"`          // its kind; empty without one
	QueueMS   float64   `json:"queue_ms"`       // waiting in the control plane for a host
	LoadMS    *float64  `json:"load_ms"`        // loading the model, by Ollama's own measure
	FirstMS   *float64  `json:"first_token_ms"` // to the first piece of a streamed answer
	TotalMS   float64   `json:"total_ms"`       // to the end of the answer
	Prompt    *int64    `json:"prompt_tokens"`  // by Ollama's own count, as the next two
	Generated *int64    `json:"generated_tokens"`
	PerSecond *float64  `json:"tokens_per_second"` // while generating
	// Capture is nil unless an operator has captures turned on. It is stored with
	// the row, and is not read with it.
	Capture *Capture `json:"-"`
}

// UsageGroup is by what usage is added up.
type UsageGroup string

// The groups.
const (
	UsageByKey   UsageGroup = "key"
	UsageByModel UsageGroup = "model"
	UsageByHost  UsageGroup = "host"
	UsageByDay   UsageGroup = "day" // in UTC
)

// UsageTotal is what requests of one group add up to.
type UsageTotal struct {
	ID        string   `json:"id"`   // of the key or host; else as Name
	Name      string   `json:"name"` // of the key, model or host, or the day as 2006-01-02
	Requests  int64    `json:"requests"`
	Failed    int64    `json:"failed"`
	GivenUp   int64    `json:"given_up"`
	Counted   int64    `json:"counted"` // requests whose tokens are known; the next two are of those
	Prompt    int64    `json:"prompt_tokens"`
	Generated int64    `json:"generated_tokens"`
	TotalMS   float64  `json:"total_ms"`       // the sum
	FirstMS   *float64 `json:"first_token_ms"` // the mean of those where it is known
}

// UsageFilter says which requests are meant: those of [From, To), and of them
// those of one key where OneKey is set.
type UsageFilter struct {
	From, To time.Time
	OneKey   bool
	KeyID    string // empty is of callers without a key
}

// LastUse is when a model was asked for on a host.
type LastUse struct {
	Model  string
	HostID string
	At     time.Time
}

// UsagePlace is where a list of requests goes on: behind the one that came at
// this time and has this number. The zero value is the list's beginning.
type UsagePlace struct {
	At     time.Time
	Number int64
}

// UsageStore keeps what requests used. Its methods may be called concurrently.
type UsageStore interface {
	// AppendUsage stores rows, all or none, and returns when they survive a kill
	// of the process.
	AppendUsage(ctx context.Context, rows []UsageRow) error
	// UsageRows returns at most limit rows, newest first, beginning behind a
	// place, and the place to go on from, which is the zero value at the end.
	UsageRows(ctx context.Context, f UsageFilter, after UsagePlace, limit int) ([]UsageRow, UsagePlace, error)
	// UsageTotals returns at most limit totals, those of days oldest first and
	// others with the most requests first. Totals are kept by the hour: From
	// counts from the beginning of its hour, and To to the end of its hour.
	UsageTotals(ctx context.Context, f UsageFilter, by UsageGroup, limit int) ([]UsageTotal, error)
	// LastUses returns for each model and host when the latest request came: exactly where
	// that was since a time, else at the beginning of its hour. It is by model and host.
	LastUses(ctx context.Context, exactSince time.Time) ([]LastUse, error)
	// Capture returns what the request with this id asked and was answered. Where
	// that is not kept it is fault.NotFound.
	Capture(ctx context.Context, id string) (Capture, error)
	// DeleteCaptures forgets every capture.
	DeleteCaptures(ctx context.Context) error
	// DeleteUsageBefore forgets the requests that came earlier, with their
	// captures, and the totals of the hours that ended before.
	DeleteUsageBefore(ctx context.Context, t time.Time) error
}

// String returns the outcome's name; a number without one reads as "unknown".
func (o Outcome) String() string {
	switch o {
	case Answered:
		return "answered"
	case Failed:
		return "failed"
	case GivenUp:
		return "given_up"
	}
	return "unknown"
}
