package api

import (
	"context"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// shownOperation is an operation with what follows from its numbers.
type shownOperation struct {
	fleet.Operation

	Progress         int    `json:"progress"`                    // 0 to 100
	RemainingSeconds *int64 `json:"remaining_seconds,omitempty"` // nil where it can't be told
}

func shown(o fleet.Operation) shownOperation {
	s := shownOperation{Operation: o, Progress: o.Percent()}
	if o.State == fleet.OperationRunning && o.BytesPerSecond > 0 && o.TotalBytes > 0 {
		left := max(0, o.TotalBytes-o.DoneBytes) / o.BytesPerSecond
		s.RemainingSeconds = &left
	}
	return s
}

// operations lists what takes a while, the latest first: of one model, or in one state,
// where the query says so.
func (a *API) operations(_ context.Context, r *edge.Request) (*edge.Response, error) {
	model, state := r.Query.Get("model"), r.Query.Get("state")
	list := []shownOperation{}
	for _, o := range a.Operations.List() {
		if (model == "" || o.ModelID == model || fleet.SameModel(o.Model, model)) && (state == "" || string(o.State) == state) {
			list = append(list, shown(o))
		}
	}
	return edge.JSON(200, list)
}

func (a *API) operation(_ context.Context, r *edge.Request) (*edge.Response, error) {
	return answerOperation(200)(a.Operations.Get(r.Param("id")))
}

func (a *API) cancelOperation(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	a.Log.Info("operation is to be cancelled", "operation", r.Param("id"), "caller", r.Caller.ID)
	return answerOperation(202)(a.Operations.Cancel(ctx, r.Param("id")))
}

func (a *API) retryOperation(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	a.Log.Info("operation is to be tried again", "operation", r.Param("id"), "caller", r.Caller.ID)
	return answerOperation(202)(a.Operations.Retry(ctx, r.Param("id")))
}

func answerOperation(status int) func(fleet.Operation, error) (*edge.Response, error) {
	return func(o fleet.Operation, err error) (*edge.Response, error) {
		if err != nil {
			return nil, err
		}
		return edge.JSON(status, shown(o))
	}
}
