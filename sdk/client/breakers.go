package client

import (
	"context"
	"time"
)

// Breaker keeps requests away from an Ollama, or from one model on it, that
// failed too often, or would do so if it failed more often.
type Breaker struct {
	HostID   string       `json:"host_id"`
	Host     string       `json:"host"`
	Instance string       `json:"instance"`
	Model    string       `json:"model,omitempty"` // empty for the Ollama as a whole
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
	Host     string `json:"host,omitempty"` // its id or name
	Instance string `json:"instance,omitempty"`
	Model    string `json:"model,omitempty"` // of models alone
}

// Breakers returns the breakers that are not closed or saw a failure of late,
// ordered by host, Ollama and model. It needs the role viewer.
func (c *Client) Breakers(ctx context.Context) ([]Breaker, error) {
	var all []Breaker
	err := c.ask(ctx, get("api", "routing", "breakers"), &all)
	return all, err
}

// ResetBreakers closes breakers, forgets what they counted, and returns how many
// were not closed. A host that is not there is fault.NotFound. It needs the role
// operator.
func (c *Client) ResetBreakers(ctx context.Context, which BreakerFilter) (closed int, err error) {
	what := post("api", "routing", "breakers", "reset")
	what.body = which
	var done struct {
		Closed int `json:"closed"`
	}
	err = c.ask(ctx, what, &done)
	return done.Closed, err
}
