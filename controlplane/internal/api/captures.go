package api

import (
	"context"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
)

// captureAnswer is what a request asked and was answered, in the words of the
// bodies that passed by.
type captureAnswer struct {
	ID         string `json:"id"`
	Request    string `json:"request"`
	RequestCut bool   `json:"request_cut"` // there was more of it
	Answer     string `json:"answer"`
	AnswerCut  bool   `json:"answer_cut"`
}

// capture answers with what was kept of a request. Who looks is noted, since
// they read what others wrote.
func (a *API) capture(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	id := r.Param("id")
	c, err := a.Captures.Capture(ctx, id)
	if err != nil {
		return nil, err
	}
	a.Log.Info("capture shown", "request_id", id, "caller", r.Caller.ID)
	return edge.JSON(200, captureAnswer{
		ID: id, Request: string(c.Request), RequestCut: c.RequestCut, Answer: string(c.Answer), AnswerCut: c.AnswerCut,
	})
}

func (a *API) deleteCaptures(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	if err := a.Captures.DeleteCaptures(ctx); err != nil {
		return nil, err
	}
	a.Log.Info("captures deleted", "caller", r.Caller.ID)
	return &edge.Response{Status: 204}, nil
}
