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
	Status      string      `json:"status"`   // such as "loaded" or "available"
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

// Models returns every model of the fleet, by name. It needs the role viewer.
func (c *Client) Models(ctx context.Context) ([]Model, error) {
	var models []Model
	if err := c.ask(ctx, get("api", "models"), &models); err != nil {
		return nil, err
	}
	return models, nil
}
