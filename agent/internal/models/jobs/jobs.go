// Package jobs is an agent's side of the work on models: it starts a worker process for
// each job, hands on what that tells, and sees to it that none outlives the wish for it.
package jobs

import (
	"context"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/agent/internal/models/order"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// Options are what a runner needs.
type Options struct {
	Program string   // the worker's executable
	Environ []string // what it gets of it, the agent's own settings left out
	// Host returns what a worker for an instance has to know.
	Host func(instance string) (order.Host, error)
	Log  hclog.Logger

	EndGrace time.Duration // from SIGTERM to SIGKILL; default 5 s
}

// Runner runs jobs. Its methods may be called concurrently.
type Runner struct{ Options }

// New returns a runner.
func New(o Options) *Runner {
	if o.EndGrace == 0 {
		o.EndGrace = 5 * time.Second
	}
	return &Runner{o}
}

// Run does a job for an instance and tells each event, from one goroutine; the last one
// has Done or Failed, whatever became of the worker. It returns when the worker's
// process is gone, with the error of tell. When ctx ends, so does the job; a fault that
// is the context's cause is then what the job failed with.
func (r *Runner) Run(ctx context.Context, instance string, job *work.Job, tell func(work.Event) error) error {
	host, err := r.Host(instance)
	if err != nil {
		return tell(work.Event{Failed: failure(err)})
	}
	w, err := r.start(&order.Order{Host: host, Job: *job})
	if err != nil {
		r.Log.Error("no model worker could be started", "program", r.Program, "error", err)
		return tell(work.Event{Failed: failure(fault.Wrap(fault.Internal, err, "the program that does the work on models could not be started on this host").On(fault.Host))})
	}
	r.Log.Info("job begins", "job", job.ID, "kind", job.Kind, "model", job.Model, "pid", w.pid())
	stop := context.AfterFunc(ctx, func() { w.end(r.EndGrace) })
	defer stop()
	last, told := w.follow(func(e work.Event) error {
		if e.Failed != nil {
			e.Failed = r.blame(ctx, e.Failed)
		}
		return tell(e)
	}, r.EndGrace)
	if last.Done == nil && last.Failed == nil {
		last.Failed = r.blame(ctx, w.obituary())
		if told == nil {
			told = tell(last)
		}
	}
	if f := last.Failed; f != nil {
		r.Log.Warn("job failed", "job", job.ID, "kind", job.Kind, "model", job.Model, "message", f.Message, "cause", f.Cause)
	} else {
		r.Log.Info("job is done", "job", job.ID, "kind", job.Kind, "model", job.Model)
	}
	return told
}

// blame is why a job failed that was ended by a fault.
func (r *Runner) blame(ctx context.Context, f *work.Failure) *work.Failure {
	if err := context.Cause(ctx); err != nil && fault.KindOf(err) != fault.Canceled {
		return failure(err)
	}
	return f
}

func failure(err error) *work.Failure {
	return &work.Failure{
		Kind: fault.KindOf(err).String(), Side: fault.SideOf(err).String(),
		Message: fault.MessageOf(err), Cause: err.Error(),
	}
}

// environment is what a worker gets of the agent's: none of its settings, which hold
// secrets.
func environment(environ []string) []string {
	env := []string{}
	for _, entry := range environ {
		private := strings.HasPrefix(entry, "CORRAL_AGENT_") || strings.HasPrefix(entry, "NOTIFY_SOCKET=") ||
			strings.HasPrefix(entry, "WATCHDOG_") || strings.HasPrefix(entry, "LISTEN_") || strings.HasPrefix(entry, "CREDENTIALS_DIRECTORY=")
		if !private {
			env = append(env, entry)
		}
	}
	return env
}
