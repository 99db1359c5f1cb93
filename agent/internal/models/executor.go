// Package models does the work on models that a control plane asks a host for: it makes
// one of a recipe in the host's Ollama, takes one away, and collects what nobody refers
// to any more.
//
// There are three ways into an Ollama. The usual one is a pull from a registry on
// loopback (package registry), which streams from the source. A file that is on this
// host already, where Ollama keeps its own, is placed there and the pull finds it. What
// Ollama has to convert, or what a build of it won't pull, is uploaded to it and created.
// In each the model has a name of its own until it was found to be what was asked for;
// only then it takes the name that it is to have.
package models

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/agent/internal/models/api"
	"github.com/corral-fleet/corral/agent/internal/models/fetch"
	"github.com/corral-fleet/corral/agent/internal/models/order"
	"github.com/corral-fleet/corral/agent/internal/models/store"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// Executor does jobs on one Ollama, one at a time.
type Executor struct {
	host     order.Host
	environ  []string
	progress *Progress
	log      hclog.Logger
	ollama   *api.Client
	store    *store.Store // nil where the folder isn't known
	timing   fetch.Timing
}

// New returns an executor that tells its progress. Environ is the environment of the
// plugins that it runs.
func New(host order.Host, environ []string, progress *Progress, log hclog.Logger) *Executor {
	e := &Executor{host: host, environ: environ, progress: progress, log: log, ollama: api.New(host.Ollama)}
	if host.ModelsDir != "" {
		e.store = store.New(host.ModelsDir, host.ID)
	}
	return e
}

// Close closes what is kept open to Ollama.
func (e *Executor) Close() { e.ollama.Close() }

// Run does a job. Its errors are faults. Where ctx ends first, nothing half-made is
// offered, and what was fetched stays for another try.
func (e *Executor) Run(ctx context.Context, job *work.Job) (*work.Result, error) {
	if err := order.Check(job); err != nil {
		return nil, err
	}
	e.progress.enter(work.Preparing, "")
	result, err := e.do(ctx, job)
	if refused, ok := errors.AsType[*api.RefusalError](err); ok && fault.KindOf(err) == fault.Internal {
		err = storeFault(refused)
	}
	if err != nil {
		return nil, err
	}
	return result, nil
}

func (e *Executor) do(ctx context.Context, job *work.Job) (*work.Result, error) {
	switch job.Kind {
	case work.Load:
		return e.load(ctx, job)
	case work.Remove:
		return e.remove(ctx, job.Model)
	default:
		return e.collect(ctx)
	}
}

// source returns what reaches a job's files.
func (e *Executor) source(job *work.Job) (*fetch.Client, error) {
	var servers []*url.URL
	for _, address := range e.host.Servers {
		u, err := url.Parse(address)
		if err != nil {
			return nil, fmt.Errorf("address of the control plane: %w", err)
		}
		servers = append(servers, u)
	}
	return fetch.New(fetch.Options{
		Servers: servers, Pinned: e.host.Authorities, AuthoritiesFile: e.host.AuthoritiesFile, Insecure: e.host.Insecure,
		MaxBytesPerSecond: job.MaxBytesPerSecond, Timing: e.timing,
		PassCertificate: e.host.PassCertificate, PassKey: e.host.PassKey,
	})
}
