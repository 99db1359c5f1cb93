package api

import (
	"context"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/sdk/fault"
)

func (a *API) status(context.Context, *edge.Request) (*edge.Response, error) {
	return edge.JSON(200, a.Summary.Status())
}

func (a *API) metrics(context.Context, *edge.Request) (*edge.Response, error) {
	return edge.JSON(200, a.Summary.Metrics())
}

// healthz says that the process is up, which the answer itself proves.
func (a *API) healthz(context.Context, *edge.Request) (*edge.Response, error) {
	return edge.JSON(200, map[string]string{"status": "ok"})
}

func (a *API) readyz(context.Context, *edge.Request) (*edge.Response, error) {
	reasons := a.Ready()
	if len(reasons) == 0 {
		return edge.JSON(200, map[string]string{"status": "ready"})
	}
	return edge.JSON(503, struct {
		Error   string   `json:"error"`
		Code    string   `json:"code"`
		Reasons []string `json:"reasons"`
	}{"the server is not ready: " + reasons[0], fault.Unavailable.String(), reasons})
}
