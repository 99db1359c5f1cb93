package client

import (
	"context"
	"time"
)

// Model is one model of the fleet: one entry for each name.
type Model struct {
	ID          string      `json:"id"` // opaque, URL-safe, stable
	Name        string      `json:"name"`
	Digest      string      `json:"digest"` // the one that a call without a digest goes to
	SizeBytes   int64       `json:"size"`
	Status      string      `json:"status"`   // such as "loaded", "available", "downloading" or "stored"
	Progress    *int        `json:"progress"` // percent; nil when nothing is under way
	Description *string     `json:"description"`
	Conflict    bool        `json:"conflict"` // hosts disagree about the digest behind this name
	Digests     []string    `json:"digests"`
	Format      string      `json:"format,omitempty"`
	Family      string      `json:"family,omitempty"`
	Parameters  string      `json:"parameter_size,omitempty"` // such as "8.0B"
	Quantized   string      `json:"quantization,omitempty"`   // such as "Q4_K_M"
	ModifiedAt  time.Time   `json:"modified_at,omitzero"`
	Residencies []Residency `json:"residencies"`

	// The rest is of models of the catalogue.

	Files          []ModelFile       `json:"files,omitempty"`
	ParameterCount int64             `json:"parameter_count,omitempty"`
	ContextTokens  int64             `json:"context_tokens,omitempty"` // that it was trained for
	Capabilities   []string          `json:"capabilities,omitempty"`   // such as "completion" or "vision"
	License        string            `json:"license,omitempty"`
	Notes          []string          `json:"notes,omitempty"`    // sentences: what will not work, what was taken for what
	Problems       []string          `json:"problems,omitempty"` // sentences: why it can't be used
	Pinned         bool              `json:"pinned,omitempty"`
	Labels         map[string]string `json:"labels,omitempty"`
	Aliases        []string          `json:"aliases,omitempty"`   // other names under which it is served
	WantedOn       []string          `json:"wanted_on,omitempty"` // ids of the hosts that are to have it
	DeletedAt      time.Time         `json:"deleted_at,omitzero"`
	PurgeAt        time.Time         `json:"purge_at,omitzero"` // when the files of a deleted one go
}

// ModelFile is a file of a model, and where it is.
type ModelFile struct {
	Path      string `json:"path"` // what whoever brought it calls it; relative
	Storage   string `json:"storage"`
	Key       string `json:"key"` // in the storage
	SizeBytes int64  `json:"size"`
	SHA256    string `json:"sha256"` // in hexadecimal; empty is unknown
	// Borrowed says that it is somebody else's, where it lies: it stays when the model goes.
	Borrowed bool `json:"borrowed,omitempty"`
}

// Residency is a model present on an instance.
type Residency struct {
	HostID        string    `json:"host_id"`
	Host          string    `json:"host"`
	Instance      string    `json:"instance"`
	Digest        string    `json:"digest"`
	Status        string    `json:"status"`
	SizeVRAMBytes int64     `json:"size_vram"`
	ExpiresAt     time.Time `json:"expires_at,omitzero"` // zero unless loaded
}

// Models returns every model of the fleet and of the catalogue, by name. It needs the
// role viewer.
func (c *Client) Models(ctx context.Context) ([]Model, error) {
	var models []Model
	if err := c.ask(ctx, get("api", "models"), &models); err != nil {
		return nil, err
	}
	return models, nil
}

// Model returns the model with this id or name. That there is none is fault.NotFound. It
// needs the role viewer.
func (c *Client) Model(ctx context.Context, model string) (*Model, error) {
	return c.askModel(ctx, get("api", "models", model))
}

// askModel sends a call that is answered with a model.
func (c *Client) askModel(ctx context.Context, what call) (*Model, error) {
	var m Model
	if err := c.ask(ctx, what, &m); err != nil {
		return nil, err
	}
	return &m, nil
}
