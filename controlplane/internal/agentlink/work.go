package agentlink

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/url"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// maxEventBytes is how long a line of a worker's may be.
const maxEventBytes = 1 << 20

// Work has a host do a job and tells how far it is, until it is done or ctx ends, which
// cancels it. A host that can't be reached, or breaks off, is fault.Unavailable; what a
// worker says of its failure is that, and [fleet.ErrBroke] where something broke down at it.
func (l *Link) Work(ctx context.Context, to fleet.Target, job work.Job, told func(work.Event)) (result work.Result, err error) {
	body, err := json.Marshal(job)
	if err != nil {
		return result, fault.Wrap(fault.Internal, err, "")
	}
	answer, err := l.exchange(ctx, to, work.Path+url.PathEscape(to.Instance), fleet.Call{Method: "POST", Body: body})
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	if answer.Status != 200 {
		return result, fault.New(fault.Unavailable, "the host's agent can't do what is asked of it; it may be too old").On(fault.Host)
	}
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, maxEventBytes)
	for lines.Scan() {
		var e work.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return result, fault.Wrap(fault.Unavailable, err, "the host tells something of its work that can't be understood").On(fault.Host)
		}
		switch {
		case e.Failed != nil:
			return result, failed(e.Failed)
		case e.Done != nil:
			told(e) // of what was done at once, nothing was told before
			return *e.Done, drained(answer.Body)
		}
		told(e)
	}
	if err := endOf(ctx, lines.Err()); err != nil {
		return result, err
	}
	return result, fault.New(fault.Unavailable, "the host broke its work off").On(fault.Host)
}

// drained reads what is left of an answer, so that its stream can be used again.
func drained(body io.Reader) error {
	_, err := io.Copy(io.Discard, io.LimitReader(body, maxEventBytes))
	return err
}

// endOf is why reading ended: rather the end of the context than what came of it.
func endOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// failed is a worker's failure as an error.
func failed(f *work.Failure) error {
	cause := error(nil)
	if f.Cause != "" {
		cause = errors.New(f.Cause)
	}
	if f.Broke {
		cause = errors.Join(fleet.ErrBroke, cause)
	}
	return fault.Wrap(fault.ParseKind(f.Kind), cause, "%s", f.Message).On(fault.ParseSide(f.Side))
}
