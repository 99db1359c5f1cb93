package api

import (
	"context"
	"strings"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
)

// restartField lists the settings that wait for a restart. It is a header field
// because the body of an answer to a change is null.
const restartField = "Corral-Restart-Required"

func (a *API) config(context.Context, *edge.Request) (*edge.Response, error) {
	public, err := a.Settings.Public()
	if err != nil {
		return nil, err
	}
	return configResponse(public, a.Settings.PendingRestart()), nil
}

func (a *API) changeConfig(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	change, err := a.Settings.Patch(ctx, r.Body)
	if err != nil {
		return nil, byField(err)
	}
	a.Log.Info("settings changed", "fields", strings.Join(change.Fields, ","), "caller", r.Caller.ID)
	return configResponse([]byte("null"), change.Restart), nil
}

func configResponse(body []byte, restart []string) *edge.Response {
	resp := &edge.Response{Status: 200, Body: body, Header: []edge.HeaderField{
		{Name: "Content-Type", Value: "application/json; charset=utf-8"},
	}}
	if len(restart) > 0 {
		resp.Header = append(resp.Header, edge.HeaderField{Name: restartField, Value: strings.Join(restart, ", ")})
	}
	return resp
}
