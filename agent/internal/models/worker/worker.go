// Package worker is the model worker: a process that does one job and ends. It gets the
// job on its standard input, which stays open for as long as somebody wants the work,
// tells how far it is on its standard output, and writes its log to standard error.
package worker

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/agent/internal/models"
	"github.com/corral-fleet/corral/agent/internal/models/api"
	"github.com/corral-fleet/corral/agent/internal/models/order"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

const (
	reportEvery = 400 * time.Millisecond
	endGrace    = 4 * time.Second // after the lifeline broke

	pluginMemoryBytes = 256 << 20 // that a plugin's runtime keeps to
)

// errUnwanted is that nobody wants the work any more.
var errUnwanted = errors.New("the agent that wanted this is gone")

// Run does the job that comes on in, and returns when it has told its end or could not.
// A job that failed is no error: it was told. Where the lifeline breaks and the job does
// not end by itself, die is called.
func Run(ctx context.Context, environ []string, in io.Reader, out io.Writer, log hclog.Logger, die func()) error {
	o, rest, err := order.Read(in)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { // it reads for as long as the process lives: there is no way to end a read
		_, _ = io.Copy(io.Discard, rest) // an error is an end as well
		cancel(errUnwanted)
		time.AfterFunc(endGrace, die)
	}()
	var progress models.Progress
	executor := models.New(o.Host, host.Environment(environ, pluginMemoryBytes), &progress, log)
	defer executor.Close()

	type end struct {
		result *work.Result
		err    error
	}
	ended := make(chan end, 1)
	go func() {
		result, err := executor.Run(ctx, &o.Job)
		ended <- end{result, err}
	}()
	lines := json.NewEncoder(out)
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := lines.Encode(progress.Now()); err != nil {
				cancel(errUnwanted)
				<-ended
				return err
			}
		case e := <-ended:
			last := progress.Now()
			if e.err != nil {
				last.Failed = failure(e.err)
			} else {
				last.Done = e.result
				last.DoneBytes = last.TotalBytes
			}
			return lines.Encode(last)
		}
	}
}

// failure tells an error across the processes.
func failure(err error) *work.Failure {
	return &work.Failure{
		Kind: fault.KindOf(err).String(), Side: fault.SideOf(err).String(),
		Message: fault.MessageOf(err), Cause: err.Error(), Broke: errors.Is(err, api.ErrBroke),
	}
}
