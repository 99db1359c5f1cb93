package fleet

import (
	"context"
	"time"
)

// Role is what the holder of a key may do. Each role includes those before it.
type Role string

// The roles, weakest first.
const (
	RoleViewer    Role = "viewer"    // reads
	RoleInference Role = "inference" // calls models
	RoleOperator  Role = "operator"  // manages models, hosts and storages
	RoleAdmin     Role = "admin"     // manages settings and keys
)

// Roles returns every role, weakest first.
func Roles() []Role { return []Role{RoleViewer, RoleInference, RoleOperator, RoleAdmin} }

// The priorities of a key. Those who wait for a model are served by them: each
// gets four times the share of the one below.
const (
	MinPriority = -2
	MaxPriority = 2
)

// Key is an API key as it is stored: the key itself is known to its holder alone.
type Key struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Role      Role      `json:"role"`
	Priority  int       `json:"priority"` // from MinPriority to MaxPriority
	Hint      string    `json:"hint"`     // the key's first characters, enough to recognise it
	Hash      []byte    `json:"-"`        // sha256 of the whole key
	CreatedAt time.Time `json:"created_at"`
	RevokedAt time.Time `json:"revoked_at,omitzero"`
}

// KeyStore keeps API keys. Its methods may be called concurrently.
type KeyStore interface {
	// CreateKey stores a new key. A name that a live key bears already is fault.Conflict.
	CreateKey(ctx context.Context, k Key) error
	// Keys returns every key, revoked ones too, oldest first.
	Keys(ctx context.Context) ([]Key, error)
	// RevokeKey revokes the key with this id. An unknown id is
	// fault.NotFound; revoking twice is not an error and keeps the first time.
	RevokeKey(ctx context.Context, id string, at time.Time) error
	// SetKeyPriority changes the priority of the live key with this id, and
	// returns the key. An id that is unknown or of a revoked key is fault.NotFound.
	SetKeyPriority(ctx context.Context, id string, priority int) (Key, error)
}

// Token lets agents join.
type Token struct {
	ID        string            `json:"id"`
	Hash      []byte            `json:"-"` // sha256 of the secret part
	Labels    map[string]string `json:"labels,omitempty"`
	CreatedAt time.Time         `json:"created_at"`
	ExpiresAt time.Time         `json:"expires_at"`
	UsesLeft  int               `json:"uses_left"`
	Approve   bool              `json:"approve"` // hosts that join with it wait for an operator's approval
	RevokedAt time.Time         `json:"revoked_at,omitzero"`
}

// TokenStore keeps join tokens. Its methods may be called concurrently.
type TokenStore interface {
	CreateToken(ctx context.Context, t Token) error
	// Tokens returns every token that can still be used at now.
	Tokens(ctx context.Context, now time.Time) ([]Token, error)
	// RevokeToken revokes the token with this id. An unknown id is
	// fault.NotFound; revoking twice is not an error and keeps the first time.
	RevokeToken(ctx context.Context, id string, at time.Time) error
}
