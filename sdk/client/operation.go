package client

import (
	"context"
	"net/url"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// OperationState is how an operation is.
type OperationState string

// The states of an operation. The last three are ends.
const (
	OperationWaiting   OperationState = "waiting" // for its turn, for a host, or to be tried again
	OperationRunning   OperationState = "running"
	OperationDone      OperationState = "done"
	OperationFailed    OperationState = "failed"
	OperationCancelled OperationState = "cancelled"
)

// Ended reports whether nothing more comes.
func (s OperationState) Ended() bool {
	return s == OperationDone || s == OperationFailed || s == OperationCancelled
}

// WaitReason is what an operation waits for.
type WaitReason string

// The reasons for which an operation waits.
const (
	WaitsForHost   WaitReason = "host_away"        // the host can't be reached
	WaitsForOllama WaitReason = "ollama_not_ready" // the host's Ollama isn't ready
	WaitsForBase   WaitReason = "base_missing"     // what the model is based on comes first
	WaitsForTurn   WaitReason = "host_busy"        // the host does something else first
	WaitsForOthers WaitReason = "queue"            // other hosts are served first
	WaitsForRetry  WaitReason = "retry"            // it failed, and is tried again
)

// Operation is a job that takes a while.
type Operation struct {
	ID      string         `json:"id"`
	Kind    string         `json:"kind"`  // upload, store, download or delete
	Model   string         `json:"model"` // its name
	ModelID string         `json:"model_id"`
	HostID  string         `json:"host_id,omitempty"` // of those that are about one host
	Host    string         `json:"host,omitempty"`
	State   OperationState `json:"state"`
	Reason  WaitReason     `json:"reason,omitempty"` // why it waits; empty unless it does
	Phase   string         `json:"phase,omitempty"`  // what it is doing, a stable word; empty before it begins
	// DoneBytes of TotalBytes, of which the former never falls; TotalBytes is 0 while
	// nobody knows it.
	DoneBytes        int64     `json:"done_bytes"`
	TotalBytes       int64     `json:"total_bytes"`
	BytesPerSecond   int64     `json:"bytes_per_second,omitempty"` // lately
	Message          string    `json:"message,omitempty"`          // a sentence, of what it does or waits for; may be empty
	Error            string    `json:"error,omitempty"`            // of one that failed or is tried again: a sentence
	Code             string    `json:"code,omitempty"`             // of Error: a kind of package fault
	Attempts         int       `json:"attempts"`
	RetryAt          time.Time `json:"retry_at,omitzero"` // of one that waits to be tried again
	CreatedAt        time.Time `json:"created_at"`
	StartedAt        time.Time `json:"started_at,omitzero"`
	ChangedAt        time.Time `json:"changed_at"`
	EndedAt          time.Time `json:"ended_at,omitzero"`
	Progress         int       `json:"progress"`                    // 0 to 100, of which 100 is kept for one that is done
	RemainingSeconds *int64    `json:"remaining_seconds,omitempty"` // nil where it can't be told
}

// OperationQuery says which operations are wanted. The zero value is all of them.
type OperationQuery struct {
	Model string // an id or a name
	State OperationState
}

// Operations returns operations, the one that was made last first. It needs the role
// viewer.
func (c *Client) Operations(ctx context.Context, q OperationQuery) ([]Operation, error) {
	what := get("api", "operations")
	what.query = url.Values{}
	if q.Model != "" {
		what.query.Set("model", q.Model)
	}
	if q.State != "" {
		what.query.Set("state", string(q.State))
	}
	var list []Operation
	if err := c.ask(ctx, what, &list); err != nil {
		return nil, err
	}
	return list, nil
}

// Operation returns the operation with this id. That there is none is fault.NotFound. It
// needs the role viewer.
func (c *Client) Operation(ctx context.Context, id string) (*Operation, error) {
	return c.askOperation(ctx, get("api", "operations", id))
}

// CancelOperation ends an operation early, and returns it as it was when that was noted.
// One that has ended is fault.Conflict. It needs the role operator.
func (c *Client) CancelOperation(ctx context.Context, id string) (*Operation, error) {
	return c.askOperation(ctx, post("api", "operations", id, "cancel"))
}

// RetryOperation has an operation be tried now that failed, was cancelled, or waits to be
// tried again, and returns the one that does that, as it is then: where it had ended, that is
// another one, with an id of its own. One that can't be tried again is fault.Conflict. It
// needs the role operator.
func (c *Client) RetryOperation(ctx context.Context, id string) (*Operation, error) {
	return c.askOperation(ctx, post("api", "operations", id, "retry"))
}

func (c *Client) askOperation(ctx context.Context, what call) (*Operation, error) {
	var o Operation
	if err := c.ask(ctx, what, &o); err != nil {
		return nil, err
	}
	return &o, nil
}

const (
	// watchEvery is how often an operation is looked at that is watched: a person sees no
	// delay, and a control plane doesn't notice it.
	watchEvery = 300 * time.Millisecond
	// absence is how long a control plane may be away from who watches: one that restarts
	// is back sooner.
	absence = time.Minute
)

// WatchOperation waits until an operation has ended and returns it as it is then: that
// it failed is for the caller to see. Told, unless it is nil, hears of each change, from
// the calling goroutine. A control plane that is away is waited for, for a minute. It
// needs the role viewer.
func (c *Client) WatchOperation(ctx context.Context, id string, told func(*Operation)) (*Operation, error) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	heard, changed := time.Now(), time.Time{}
	for {
		o, err := c.Operation(ctx, id)
		switch {
		case err == nil:
			heard = time.Now()
			if told != nil && !o.ChangedAt.Equal(changed) {
				changed = o.ChangedAt
				told(o)
			}
			if o.State.Ended() {
				return o, nil
			}
		case fault.KindOf(err) != fault.Unavailable || time.Since(heard) > absence:
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, c.failed(ctx.Err(), nil)
		case <-tick.C:
		}
	}
}
