package client

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// ModelImport is a model of which the files are in a storage already.
type ModelImport struct {
	Source      string   `json:"source"` // the URL of its file, or of the folder of its files, such as "s3://bucket/model.gguf"
	Name        string   `json:"name,omitempty"`
	Description string   `json:"description,omitempty"`
	Hosts       []string `json:"hosts,omitempty"`    // ids or names of those that are to have it
	Quantize    string   `json:"quantize,omitempty"` // what hosts are to quantise the weights to; empty leaves them
	From        string   `json:"from,omitempty"`     // the model that it is put on, of an adapter; empty is none
}

// ImportModel makes a model of files that are in a storage, where they stay. It returns the
// model when that is noted; that its files are looked at, and brought to hosts, follows, as
// operations tell. It needs the role operator.
func (c *Client) ImportModel(ctx context.Context, m ModelImport) (*Model, error) {
	what := post("api", "models")
	what.body = m
	return c.askModel(ctx, what)
}

// AllHosts in the place of hosts, alone, is all that there are and will be.
const AllHosts = "all"

// Placement says which hosts are to have a model. The zero value leaves the choice of
// one to the control plane.
type Placement struct {
	Hosts  []string          `json:"hosts,omitempty"`  // ids or names, or [AllHosts]
	Labels map[string]string `json:"labels,omitempty"` // that a host has to have, each of them
	Count  int               `json:"count,omitempty"`  // how many, those where it fits best; 0 is all that have the labels
}

// Download is a model with the hosts that were chosen to get it.
type Download struct {
	Model

	Chosen []ChosenHost `json:"chosen"`
}

// ChosenHost is a host that is to have a model.
type ChosenHost struct {
	HostID    string     `json:"host_id"`
	Host      string     `json:"host"`
	Operation *Operation `json:"operation"` // that brings it there; nil where the host has it
}

// DownloadModel has hosts get a model of the catalogue, and keep it. It returns the
// model and the hosts that were chosen, as soon as that is noted. It needs the role
// operator.
func (c *Client) DownloadModel(ctx context.Context, model string, p Placement) (*Download, error) {
	what := post("api", "models", model, "download")
	what.body = p
	var d Download
	if err := c.ask(ctx, what, &d); err != nil {
		return nil, err
	}
	return &d, nil
}

// Deletion says what is to be deleted of a model.
type Deletion struct {
	// Hosts are the ids or names of those that are to let go of it; empty is all of them,
	// the storage, and the catalogue.
	Hosts []string
	// Purge has the files go at once, and not after a day.
	Purge bool
}

// DeleteModel has a model go from hosts, or from everywhere, and returns it as it is
// then: it goes from each host when that can be reached. It needs the role operator.
func (c *Client) DeleteModel(ctx context.Context, model string, d Deletion) (*Model, error) {
	what := call{method: http.MethodDelete, path: []string{"api", "models", model}, query: url.Values{}}
	if len(d.Hosts) > 0 {
		what.query.Set("hosts", strings.Join(d.Hosts, ","))
	}
	if d.Purge {
		what.query.Set("purge", "true")
	}
	return c.askModel(ctx, what)
}

// RestoreModel takes the deletion of a model back, as long as its files are there. Hosts
// don't get it again by that. One that is not deleted, or whose files are gone, is
// fault.Conflict. It needs the role operator.
func (c *Client) RestoreModel(ctx context.Context, model string) (*Model, error) {
	return c.askModel(ctx, post("api", "models", model, "restore"))
}

// ModelPatch is what may be said of a model of the catalogue. What is nil stays as it is.
type ModelPatch struct {
	Description *string           `json:"description,omitempty"`
	Labels      map[string]string `json:"labels,omitzero"` // replace all that there were; empty takes all away
	Pinned      *bool             `json:"pinned,omitempty"`
	// Aliases are other names under which the model is served. They replace all that there
	// were; empty takes all away.
	Aliases []string `json:"aliases,omitzero"`
	// MoveAliases has aliases of other models become this one's; else they are fault.Conflict.
	MoveAliases bool `json:"move_aliases,omitempty"`
}

// ChangeModel changes what is said of a model, all of it or nothing, and returns it as it is
// then. A model that only hosts have is fault.NotFound; an alias that is somebody's name is
// fault.Conflict. It needs the role operator.
func (c *Client) ChangeModel(ctx context.Context, model string, patch ModelPatch) (*Model, error) {
	return c.askModel(ctx, call{method: http.MethodPatch, path: []string{"api", "models", model}, body: patch})
}
