package uploadapi

import (
	"context"
	"encoding/json"
	"io"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// sourceBody is what is asked for a model whose files are in a storage already.
type sourceBody struct {
	Source      string   `json:"source"` // its URL, such as s3://bucket/model.gguf
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Hosts       []string `json:"hosts"`
	Quantize    string   `json:"quantize"`
	From        string   `json:"from"`
}

// fromStorage makes a model of files that are in a storage already: no byte of them comes
// with the request, and none is copied.
func (a *API) fromStorage(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	body, err := io.ReadAll(io.LimitReader(r.Stream, maxFieldBytes+1))
	if err != nil {
		return nil, err
	}
	var asked sourceBody
	if err := json.Unmarshal(body, &asked); err != nil || len(body) > maxFieldBytes {
		return nil, fault.Wrap(fault.Invalid, err, "the body has to be a JSON object with the field %q, or a form with a file", "source").On(fault.Caller)
	}
	want := fleet.Import{Name: asked.Name, Description: asked.Description, Hosts: asked.Hosts, Quantize: asked.Quantize, From: asked.From}
	model, err := a.uploads.Import(ctx, r.Caller.ID, want, asked.Source)
	if err != nil {
		return nil, err
	}
	return edge.JSON(200, model)
}
