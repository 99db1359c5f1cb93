package api

import (
	"context"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

const (
	defaultReleaseSeconds = 10 * 60
	maxReleaseSeconds     = 24 * 60 * 60
)

// gpusAnswer is how a host's GPUs are read, and what each of them is.
type gpusAnswer struct {
	fleet.GPUReport
	Cards []fleet.GPUCard `json:"cards"`
}

// gpus answers with what is known of a host's GPUs beside its samples.
func (a *API) gpus(_ context.Context, r *edge.Request) (*edge.Response, error) {
	report, err := a.gpuReport(r.Param("id"))
	if err != nil {
		return nil, err
	}
	cards := report.Cards
	if cards == nil {
		cards = []fleet.GPUCard{}
	}
	return edge.JSON(200, gpusAnswer{GPUReport: *report, Cards: cards})
}

// gpuProcesses answers with the processes that use a host's GPUs.
func (a *API) gpuProcesses(_ context.Context, r *edge.Request) (*edge.Response, error) {
	report, err := a.gpuReport(r.Param("id"))
	if err != nil {
		return nil, err
	}
	processes := []fleet.GPUProcess{}
	for i := range report.Cards {
		processes = append(processes, report.Cards[i].Processes...)
	}
	return edge.JSON(200, processes)
}

// gpuReport returns what a host told of its GPUs. One that told nothing is known
// while it is connected, and to have nothing to tell.
func (a *API) gpuReport(host string) (*fleet.GPUReport, error) {
	view, err := a.reachable(host)
	switch {
	case err != nil:
		return nil, err
	case view.GPUReport == nil:
		return &fleet.GPUReport{State: fleet.GPUsUnknown}, nil
	}
	return view.GPUReport, nil
}

// releaseGPUs has an agent let go of the GPU driver for a while, waits until it
// has, and answers with the host.
func (a *API) releaseGPUs(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	asked := struct {
		Seconds int64 `json:"seconds"`
	}{Seconds: defaultReleaseSeconds}
	if len(r.Body) > 0 {
		if err := decode(r.Body, &asked); err != nil {
			return nil, err
		}
	}
	if asked.Seconds < 1 || asked.Seconds > maxReleaseSeconds {
		return nil, fault.New(fault.Invalid, "the field %q is %d; GPUs are let go of for 1 second at least and %d at most", "seconds", asked.Seconds, maxReleaseSeconds).On(fault.Caller)
	}
	view, err := a.reachable(r.Param("id"))
	if err != nil {
		return nil, err
	}
	a.Log.Info("release of gpus asked for", "host_id", view.ID, "host", view.Name, "seconds", asked.Seconds, "caller", r.Caller.ID)
	if err := a.Link.ReleaseGPUs(ctx, view.ID, time.Duration(asked.Seconds)*time.Second); err != nil {
		return nil, err
	}
	return a.showHost(view.ID)
}

// acquireGPUs has an agent read its GPUs again, and answers with the host.
func (a *API) acquireGPUs(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	view, err := a.reachable(r.Param("id"))
	if err != nil {
		return nil, err
	}
	a.Log.Info("acquisition of gpus asked for", "host_id", view.ID, "host", view.Name, "caller", r.Caller.ID)
	if err := a.Link.AcquireGPUs(ctx, view.ID); err != nil {
		return nil, err
	}
	return a.showHost(view.ID)
}
