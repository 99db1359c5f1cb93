package fleet

import (
	"context"
	"time"
)

// OperationKind is what an operation is about.
type OperationKind string

// The kinds of operations.
const (
	UploadOperation   OperationKind = "upload"   // bytes come from a caller
	StoreOperation    OperationKind = "store"    // they go into a storage, and are looked at
	DownloadOperation OperationKind = "download" // a host gets a model
	DeleteOperation   OperationKind = "delete"   // a model goes from a host, or from the catalogue
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

// WaitReason is what an operation waits for, a stable word.
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

// Operation is a job that takes a while, as it is told of and kept.
type Operation struct {
	ID      string         `json:"id"`
	Kind    OperationKind  `json:"kind"`
	Model   string         `json:"model"` // its name
	ModelID string         `json:"model_id"`
	HostID  string         `json:"host_id,omitempty"` // of those that are about one host
	Host    string         `json:"host,omitempty"`
	State   OperationState `json:"state"`
	// Reason is why it waits; empty unless it does.
	Reason WaitReason `json:"reason,omitempty"`
	// Phase is what it is doing, a stable word; empty before it begins.
	Phase string `json:"phase,omitempty"`
	// DoneBytes of TotalBytes, of which the former never falls; TotalBytes is 0 while
	// it isn't known.
	DoneBytes      int64     `json:"done_bytes"`
	TotalBytes     int64     `json:"total_bytes"`
	BytesPerSecond int64     `json:"bytes_per_second,omitempty"` // lately
	Message        string    `json:"message,omitempty"`          // a sentence, of what it does or waits for; may be empty
	Error          string    `json:"error,omitempty"`            // of one that failed or is tried again: a sentence
	Code           string    `json:"code,omitempty"`             // of Error: a kind of package fault
	Attempts       int       `json:"attempts"`
	RetryAt        time.Time `json:"retry_at,omitzero"` // of one that waits to be tried again
	CreatedAt      time.Time `json:"created_at"`
	StartedAt      time.Time `json:"started_at,omitzero"`
	ChangedAt      time.Time `json:"changed_at"`
	EndedAt        time.Time `json:"ended_at,omitzero"`
}

// Away reports whether an operation waits for a host that can't be reached, and nobody
// knows until when.
func (o *Operation) Away() bool { return o.State == OperationWaiting && o.Reason == WaitsForHost }

// Percent returns how much of an operation is done, 0 to 100, of which 100 is kept for
// one that is done.
func (o *Operation) Percent() int {
	switch {
	case o.State == OperationDone:
		return 100
	case o.TotalBytes <= 0:
		return 0
	}
	return int(min(99, 100*float64(o.DoneBytes)/float64(o.TotalBytes)))
}

// OperationStore keeps operations.
type OperationStore interface {
	// SaveOperations stores operations, each in the place of the one of its id, all or none.
	SaveOperations(ctx context.Context, operations ...Operation) error
	// Operations returns all that have not ended, and the others among the latest so many;
	// the one that was made last first.
	Operations(ctx context.Context, limit int) ([]Operation, error)
	// PruneOperations forgets those that ended before then.
	PruneOperations(ctx context.Context, before time.Time) error
}
