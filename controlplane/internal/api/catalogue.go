package api

import (
	"context"
	"net/url"
	"strings"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/models"
	"github.com/corral-fleet/corral/sdk/fault"
)

// placementBody says which hosts are to have a model.
type placementBody struct {
	Hosts  []string          `json:"hosts"` // ids or names; "all" is all that there are and will be
	Labels map[string]string `json:"labels"`
	Count  int               `json:"count"`
}

// downloading is a model with the hosts that were chosen to get it.
type downloading struct {
	fleet.Model

	Chosen []chosenHost `json:"chosen"`
}

// chosenHost is a host that is to have a model.
type chosenHost struct {
	HostID    string          `json:"host_id"`
	Host      string          `json:"host"`
	Operation *shownOperation `json:"operation"` // that brings it there; null where the host has it
}

// downloadModel has hosts get a model. It answers when that is noted.
func (a *API) downloadModel(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	m, err := a.findModel(r.Param("id"))
	if err != nil {
		return nil, err
	}
	var body placementBody
	if len(r.Body) > 0 {
		if err := decode(r.Body, &body); err != nil {
			return nil, err
		}
	}
	if body.Count < 0 {
		return nil, fault.New(fault.Invalid, "the field %q has to be positive, not %d", "count", body.Count).On(fault.Caller)
	}
	where := models.Where{Hosts: body.Hosts, Labels: body.Labels, Count: body.Count}
	hosts, err := a.Catalogue.Want(ctx, m.Name, where)
	if err != nil {
		return nil, err
	}
	a.Log.Info("model is to be on hosts", "model", m.Name, "hosts", len(hosts), "caller", r.Caller.ID)
	chosen := a.chosen(m.ID, hosts)
	if m, err = a.findModel(m.ID); err != nil {
		return nil, err
	}
	return edge.JSON(202, downloading{Model: *m, Chosen: chosen})
}

// chosen returns hosts that are to have a model, with the operations that bring it there.
func (a *API) chosen(modelID string, hosts []fleet.HostView) []chosenHost {
	under := map[string]*shownOperation{}
	for _, o := range a.Operations.UnderWay() {
		if o.Kind == fleet.DownloadOperation && o.ModelID == modelID {
			one := shown(o)
			under[o.HostID] = &one
		}
	}
	list := make([]chosenHost, len(hosts))
	for i := range hosts {
		list[i] = chosenHost{HostID: hosts[i].ID, Host: hosts[i].Name, Operation: under[hosts[i].ID]}
	}
	return list
}

// deleteModel has a model go, from some hosts or from everywhere.
func (a *API) deleteModel(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	m, err := a.findModel(r.Param("id"))
	if err != nil {
		return nil, err
	}
	purge, err := boolean(r.Query, "purge")
	if err != nil {
		return nil, err
	}
	hosts := listed(r.Query, "hosts")
	if err := a.Catalogue.Delete(ctx, m.Name, models.Deletion{Hosts: hosts, Purge: purge}); err != nil {
		return nil, err
	}
	a.Log.Info("model is to go", "model", m.Name, "hosts", hosts, "purge", purge, "caller", r.Caller.ID)
	if now, err := a.findModel(m.Name); err == nil {
		m = now
	}
	return edge.JSON(200, m)
}

// listed returns the values of a parameter that takes several, with commas.
func listed(query url.Values, name string) []string {
	var list []string
	for _, value := range query[name] {
		for one := range strings.SplitSeq(value, ",") {
			if one = strings.TrimSpace(one); one != "" {
				list = append(list, one)
			}
		}
	}
	return list
}

// restoreModel takes a deletion back.
func (a *API) restoreModel(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	m, err := a.findModel(r.Param("id"))
	if err != nil {
		return nil, err
	}
	if _, err := a.Catalogue.Restore(ctx, m.Name); err != nil {
		return nil, err
	}
	a.Log.Info("model restored", "model", m.Name, "caller", r.Caller.ID)
	return a.answerModel(200, m.Name)
}

// changeModel changes what people say of a model. What is missing stays as it is.
func (a *API) changeModel(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	m, err := a.findModel(r.Param("id"))
	if err != nil {
		return nil, err
	}
	var patch models.Patch
	if err := decode(r.Body, &patch); err != nil {
		return nil, err
	}
	if err := (&hostPatch{Labels: patch.Labels}).check(); err != nil {
		return nil, err
	}
	lost, err := a.Catalogue.Describe(ctx, m.Name, patch)
	if err != nil {
		return nil, err
	}
	if patch.Aliases != nil {
		a.Log.Info("model has other aliases", "model", m.Name, "before", m.Aliases, "now", patch.Aliases, "moved_from", lost, "caller", r.Caller.ID)
	}
	return a.answerModel(200, m.Name)
}

func (a *API) answerModel(status int, name string) (*edge.Response, error) {
	m, err := a.findModel(name)
	if err != nil {
		return nil, err
	}
	return edge.JSON(status, m)
}

// modelFile answers a host with a part of a file of a model.
func (a *API) modelFile(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	if err := a.ModelTickets.CheckFile(r.Param("name"), r.Query); err != nil {
		return nil, err
	}
	resp, err := a.file(ctx, r)
	if err == nil && resp.Stream != nil {
		resp.Stream = a.ModelPace.Reader(ctx, resp.Stream)
	}
	return resp, err
}

// program answers a host with the program of a plugin, which knows it by its digest.
func (a *API) program(_ context.Context, r *edge.Request) (*edge.Response, error) {
	sum := r.Param("sha256")
	if err := a.ModelTickets.CheckProgram(sum, r.Query); err != nil {
		return nil, err
	}
	program, size, err := a.Programs.Program(sum)
	if err != nil {
		return nil, err
	}
	return &edge.Response{
		Status: 200, Stream: program, StreamBytes: size,
		Header: []edge.HeaderField{{Name: "Content-Type", Value: "application/octet-stream"}},
	}, nil
}
