package fleet

import "time"

// Breaker keeps requests away from an instance, or from one model on it, that
// failed too often, or would do so if it failed more often.
type Breaker struct {
	HostID   string       `json:"host_id"`
	Host     string       `json:"host"`
	Instance string       `json:"instance"`
	Model    string       `json:"model,omitempty"` // empty for the instance as a whole
	State    BreakerState `json:"state"`
	Since    time.Time    `json:"since"` // it is open or closed; of the first failure where it never opened

	FailuresInARow int `json:"failures_in_a_row"`
	Failures       int `json:"failures"`  // of late, as the next
	Successes      int `json:"successes"` // since the first failure

	LastKind    string    `json:"last_kind"`  // of failure, such as "refused"
	LastError   string    `json:"last_error"` // a sentence
	LastErrorAt time.Time `json:"last_error_at"`
	NextProbeAt time.Time `json:"next_probe_at,omitzero"` // while it is open
}

// BreakerState is what a breaker does with a request.
type BreakerState string

// The states of a breaker.
const (
	BreakerClosed   BreakerState = "closed"    // requests pass
	BreakerOpen     BreakerState = "open"      // none passes
	BreakerHalfOpen BreakerState = "half_open" // one passes, to show whether it works again
)

// BreakerFilter says which breakers are meant; what is empty may be any.
type BreakerFilter struct {
	HostID   string
	Instance string
	Model    string // of models alone
}
