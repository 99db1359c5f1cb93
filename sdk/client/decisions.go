package client

import (
	"context"
	"time"
)

// Decision is why a request was sent where it was. Its id stands in the header
// field Corral-Decision of the answer. Prices are expected times.
type Decision struct {
	ID          string    `json:"id"`
	At          time.Time `json:"at"`
	Model       string    `json:"model"` // as it was asked for
	Digest      string    `json:"digest"`
	Path        string    `json:"path"` // of Ollama's API
	PromptBytes int       `json:"prompt_bytes"`
	MaxTokens   *int      `json:"max_tokens,omitempty"` // what the caller allows; nil is unlimited
	Streams     bool      `json:"streams"`
	Options     []string  `json:"options,omitempty"` // those that a runner is loaded with, as "num_ctx=8192"
	// QueuedSeconds is how long the request waited in line before.
	QueuedSeconds float64 `json:"queued_seconds"`
	HostID        string  `json:"host_id"`
	Host          string  `json:"host"`
	Instance      string  `json:"instance"`
	// Candidates are the instances, the chosen one first and then by their
	// prices. Of a large fleet only the best are kept; Considered counts all.
	Candidates []Candidate `json:"candidates"`
	Considered int         `json:"considered"`
}

// Candidate is an instance that a request could have been sent to.
type Candidate struct {
	HostID       string `json:"host_id"`
	Host         string `json:"host"`
	Instance     string `json:"instance"`
	Chosen       bool   `json:"chosen"`
	Why          string `json:"why"`             // it was chosen, or was not: a sentence
	Price        *Price `json:"price,omitempty"` // nil where it could not serve
	InFlight     int    `json:"in_flight"`
	Slots        int    `json:"slots"`  // requests that it serves at a time
	Loaded       bool   `json:"loaded"` // the model is in memory
	MatchedBytes int    `json:"matched_bytes,omitempty"`
}

// Price is what a request is expected to cost on an instance, in seconds.
type Price struct {
	WaitSeconds       float64 `json:"wait_seconds"`       // for a free place
	LoadSeconds       float64 `json:"load_seconds"`       // of the model, or of the one that it replaces
	PromptSeconds     float64 `json:"prompt_seconds"`     // until the first token
	GenerationSeconds float64 `json:"generation_seconds"` // until the last
	TotalSeconds      float64 `json:"total_seconds"`
	// CostSeconds is what is compared: the total, with a wait and the load of
	// a model weighed by what they mean for other requests.
	CostSeconds float64 `json:"cost_seconds"`
}

// Decision returns a routing decision by its id. One that is too long ago is
// fault.NotFound. It needs the role viewer.
func (c *Client) Decision(ctx context.Context, id string) (*Decision, error) {
	var d Decision
	if err := c.ask(ctx, get("api", "routing", "decisions", id), &d); err != nil {
		return nil, err
	}
	return &d, nil
}
