package api

import (
	"context"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
)

// decision says why a request was sent where it was.
func (a *API) decision(_ context.Context, r *edge.Request) (*edge.Response, error) {
	d, err := a.Decisions.Decision(r.Param("id"))
	if err != nil {
		return nil, err
	}
	return edge.JSON(200, d)
}
