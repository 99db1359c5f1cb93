package api

import (
	"context"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// Session says who somebody is to the control plane.
type Session struct {
	Name      string     `json:"name"` // of the key, or "anonymous"
	Role      fleet.Role `json:"role"`
	Anonymous bool       `json:"anonymous"`
	By        Proof      `json:"by"`
	ExpiresAt *time.Time `json:"expires_at"` // of a session; else nil
	Version   string     `json:"version"`    // of the control plane
}

// Proof is how somebody proved who they are.
type Proof string

// The proofs.
const (
	bySession Proof = "session"
	byKey     Proof = "key"
	byNothing Proof = "anonymous"
)

// session tells callers who they are.
func (a *API) session(_ context.Context, r *edge.Request) (*edge.Response, error) {
	s := Session{Name: r.Caller.Name, Role: roleOf(r.Caller.May), Anonymous: r.Caller.Anonymous, By: byKey, Version: a.Version}
	switch {
	case r.Caller.Anonymous:
		s.By = byNothing
	case !r.Caller.Expires.IsZero():
		expires := r.Caller.Expires.UTC()
		s.By, s.ExpiresAt = bySession, &expires
	}
	return edge.JSON(200, s)
}

// roleOf returns the role whose holders may do this.
func roleOf(may edge.Permission) fleet.Role {
	switch may {
	case edge.Read:
		return fleet.RoleViewer
	case edge.Infer:
		return fleet.RoleInference
	case edge.Operate:
		return fleet.RoleOperator
	case edge.Administer:
		return fleet.RoleAdmin
	}
	return ""
}
