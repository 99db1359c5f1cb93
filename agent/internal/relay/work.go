package relay

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/corral-fleet/corral/agent/internal/models/order"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire/exchange"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

const (
	maxJobBytes = 8 << 20 // a recipe has small layers in it, such as licences
	maxWaiting  = 16      // jobs that wait for an instance's turn
	waitEvery   = time.Second
)

// errJobLeft ends a job: it takes longer than an agent has that is told to end.
var errJobLeft = fault.New(fault.Unavailable, "the agent on this host was told to end; asked for again, the job goes on with what it has fetched").On(fault.Host)

// Jobs does the work on models.
type Jobs interface {
	// Run does a job for an instance and tells its events, of which the last has Done or
	// Failed. It returns the error of tell.
	Run(ctx context.Context, instance string, job *work.Job, tell func(work.Event) error) error
}

// work does one job for an instance and answers with its events as they come. One that
// has to wait for another says so.
func (r *Relay) work(ctx context.Context, i *instance, in *exchange.Incoming, out *exchange.Reply) error {
	if in.Method != "POST" {
		return errNotServed
	}
	job, err := readJob(in)
	if err != nil {
		return err
	}
	ctx, exit, ok := r.enterJob(ctx)
	if !ok {
		return errLeaving
	}
	defer exit()
	if i.waiting.Add(1) > maxWaiting {
		i.waiting.Add(-1)
		return fault.New(fault.Unavailable, "%d jobs wait for this host's Ollama already", maxWaiting).On(fault.Host).After(time.Minute)
	}
	out.Start(200, exchange.Fields{{Name: "Content-Type", Value: "application/x-ndjson"}}, -1)
	tell := func(e work.Event) error {
		line, err := json.Marshal(e)
		if err == nil {
			_, err = out.Write(append(line, '\n'))
		}
		return err
	}
	mine, err := i.await(ctx, tell)
	i.waiting.Add(-1)
	if !mine {
		return err
	}
	defer func() { <-i.busy }()
	defer i.Refresh() // even after a failure: part of it may have been done
	return r.jobs.Run(ctx, i.name, job, tell)
}

// await waits for the instance's turn and reports whether it came.
func (i *instance) await(ctx context.Context, tell func(work.Event) error) (mine bool, err error) {
	tick := time.NewTicker(waitEvery)
	defer tick.Stop()
	for {
		select {
		case i.busy <- struct{}{}:
			return true, nil
		default:
		}
		if err := tell(work.Event{Phase: work.Preparing, Message: "another job on this host is done first"}); err != nil {
			return false, err
		}
		select {
		case i.busy <- struct{}{}:
			return true, nil
		case <-tick.C:
		case <-ctx.Done():
			cause := context.Cause(ctx)
			if !errors.Is(cause, errJobLeft) {
				return false, cause
			}
			return false, tell(work.Event{Failed: &work.Failure{Kind: fault.KindOf(cause).String(), Side: fault.SideOf(cause).String(), Message: fault.MessageOf(cause)}})
		}
	}
}

func readJob(in *exchange.Incoming) (*work.Job, error) {
	body, err := io.ReadAll(io.LimitReader(in.Body, maxJobBytes+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxJobBytes {
		return nil, fault.New(fault.TooLarge, "a job has at most %d bytes", maxJobBytes)
	}
	var job work.Job
	if err := json.Unmarshal(body, &job); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the body is no job")
	}
	if err := order.Check(&job); err != nil {
		return nil, err
	}
	return &job, nil
}

// enterJob counts a job and returns its context, which ends when the agent leaves, or
// false when no more are taken on.
func (r *Relay) enterJob(ctx context.Context) (job context.Context, exit func(), ok bool) {
	r.jobCount.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	exit = func() {
		cancel(nil)
		r.jobCount.Add(-1)
		r.tellEnded()
	}
	if r.draining.Load() { // after the count: Drain looks in the other order
		exit()
		return nil, nil, false
	}
	go func() {
		select {
		case <-r.leaving:
			cancel(errJobLeft)
		case <-ctx.Done():
		}
	}()
	return ctx, exit, true
}
