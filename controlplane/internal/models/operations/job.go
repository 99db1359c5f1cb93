package operations

import (
	"context"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// Job is an operation in the hands of whoever does it. Its methods may be called
// concurrently.
type Job struct {
	all *Operations
	r   *record
}

// What says which job is begun.
type What struct {
	Kind       fleet.OperationKind
	Model      string
	HostID     string // of one that is about one host
	Host       string // its name
	TotalBytes int64  // 0 is unknown
	// Retry, where it isn't nil, sees to it that the job is done again, and returns what is
	// then to be done, without waiting until it is.
	Retry func(context.Context) (*Job, error)
	// Forgo, where it isn't nil, sees to it that nobody begins the job any more. It is
	// called when somebody cancels it while it waits.
	Forgo func(context.Context) error
}

// Begin returns a job that waits: the one of this kind, model and host that has not
// ended, as after a restart, or else a new one.
func (o *Operations) Begin(w What) *Job {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, r := range o.open[w.HostID][subject{w.Kind, fleet.CanonicalModel(w.Model)}] {
		if r.cancel == nil {
			r.begun, r.retry, r.forgo = true, w.Retry, w.Forgo
			return &Job{all: o, r: r}
		}
	}
	at := o.now().UTC()
	r := &record{begun: true, retry: w.Retry, forgo: w.Forgo, Operation: fleet.Operation{
		ID: newID(), Kind: w.Kind, Model: w.Model, ModelID: fleet.ModelID(w.Model), HostID: w.HostID, Host: w.Host,
		State: fleet.OperationWaiting, TotalBytes: w.TotalBytes, CreatedAt: at,
	}}
	o.know(r)
	o.touch(r, true)
	return &Job{all: o, r: r}
}

// ID returns the operation's.
func (j *Job) ID() string { return j.r.ID }

// Now returns how the operation is.
func (j *Job) Now() fleet.Operation {
	j.all.mu.Lock()
	defer j.all.mu.Unlock()
	return j.r.Operation
}

// Wait notes what the job waits for, with a sentence that may be empty.
func (j *Job) Wait(reason fleet.WaitReason, message string) {
	j.all.mu.Lock()
	defer j.all.mu.Unlock()
	if r := j.r; r.State == fleet.OperationWaiting && (r.Reason != reason || r.Message != message) {
		r.Reason, r.Message = reason, message
		j.all.touch(r, true)
	}
}

// Start notes that the job is being done, in a context that ends when somebody cancels
// it: at once, where somebody has. The caller ends it with the function returned.
func (j *Job) Start(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	j.change(true, func(r *record) {
		if r.State.Ended() {
			cancel(ErrCancelled)
			return
		}
		at := j.all.now().UTC()
		r.State, r.Attempts, r.StartedAt, r.RetryAt, r.cancel = fleet.OperationRunning, r.Attempts+1, at, time.Time{}, cancel
		r.Error, r.Code, r.Reason, r.Message, r.rate = "", "", "", "", rate{}
	})
	return ctx, func() {
		cancel(nil)
		j.all.mu.Lock()
		j.r.cancel = nil
		j.all.mu.Unlock()
	}
}

// Progress notes how far the job is. Bytes that are fewer than before change nothing, so
// that a job that begins again is not seen to go back.
func (j *Job) Progress(phase string, doneBytes, totalBytes int64, message string) {
	j.change(false, func(r *record) {
		r.Phase, r.Message = phase, message
		if totalBytes > 0 {
			r.TotalBytes = totalBytes
		}
		r.BytesPerSecond = r.rate.after(j.all.now(), doneBytes)
		r.DoneBytes = max(r.DoneBytes, doneBytes)
	})
}

// Again notes that the job failed and is tried again at a time.
func (j *Job) Again(err error, at time.Time) {
	j.change(true, func(r *record) {
		r.State, r.BytesPerSecond, r.RetryAt, r.cancel = fleet.OperationWaiting, 0, at.UTC(), nil
		r.Reason, r.Message = fleet.WaitsForRetry, ""
		r.fail(err)
	})
}

// End notes that the job has ended: well, where err is nil. One that has ended already
// stays as it is.
func (j *Job) End(err error) {
	j.all.mu.Lock()
	defer j.all.mu.Unlock()
	j.all.end(j.r, err)
}

// end ends an operation. o.mu is held.
func (o *Operations) end(r *record, err error) fleet.Operation {
	if r.State.Ended() {
		return r.Operation
	}
	r.BytesPerSecond, r.RetryAt, r.cancel, r.forgo = 0, time.Time{}, nil, nil
	if r.Reason != "" { // what it waited for is no news any more
		r.Reason, r.Message = "", ""
	}
	r.EndedAt = o.now().UTC()
	o.close(r)
	switch {
	case err == nil: // then what it was doing is no news either
		r.State, r.Message, r.Error, r.Code, r.retry = fleet.OperationDone, "", "", "", nil
		r.TotalBytes = max(r.TotalBytes, r.DoneBytes)
		r.DoneBytes = r.TotalBytes
	case err == ErrCancelled: //nolint:errorlint // it is passed on as it is
		r.State = fleet.OperationCancelled
	default:
		r.State = fleet.OperationFailed
		r.fail(err)
	}
	o.touch(r, true)
	return r.Operation
}

func (r *record) fail(err error) {
	r.Error, r.Code = fault.MessageOf(err), fault.KindOf(err).String()
}

// change changes a record, which is stored at once where that matters.
func (j *Job) change(now bool, f func(*record)) {
	j.all.mu.Lock()
	defer j.all.mu.Unlock()
	f(j.r)
	j.all.touch(j.r, now)
}
