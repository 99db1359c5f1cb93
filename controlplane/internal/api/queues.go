package api

import (
	"context"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
)

func (a *API) queues(context.Context, *edge.Request) (*edge.Response, error) {
	return edge.JSON(200, a.Queues.Lines())
}
