package fetch

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

var errStalled = errors.New("nothing came for a while")

// reader reads a range over as many connections as it takes. It is for one goroutine.
type reader struct {
	ctx    context.Context //nolint:containedctx // it bounds a reader, as a request's does its body
	cancel context.CancelFunc
	file   *File
	at     int64
	end    int64

	source  source
	body    io.ReadCloser
	stall   *time.Timer // breaks the connection off
	drop    context.CancelCauseFunc
	conn    context.Context //nolint:containedctx // of one connection
	tried   time.Time       // when it was last waited for
	failed  int             // tries in a row without a byte
	lasting error           // that every further read returns
}

// Read implements [io.Reader]. It returns a fault when the range can't be had.
func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for r.lasting == nil && r.at < r.end {
		p = p[:min(int64(len(p)), r.end-r.at)]
		if r.file.client.limit != nil {
			p = p[:min(len(p), pieceSize)]
		}
		n, err := r.try(p)
		if n > 0 {
			r.at += int64(n)
			r.failed = 0
			r.file.failing.Store(0)
			if err := r.pace(n); err != nil {
				r.lasting = r.ctx.Err()
			}
			return n, nil
		}
		if err != nil {
			r.lasting = r.recover(err)
		}
	}
	if r.lasting != nil {
		return 0, r.lasting
	}
	return 0, io.EOF
}

// pace holds bytes back for as long as the limit wants.
func (r *reader) pace(n int) error {
	if _, paced := r.source.(*assembly); paced {
		return nil
	}
	return r.file.client.wait(r.ctx, n)
}

// try reads once, from a new connection where there is none.
func (r *reader) try(p []byte) (int, error) {
	r.tried = time.Now()
	if r.body == nil {
		if err := r.connect(); err != nil {
			return 0, err
		}
	}
	r.stall.Reset(r.source.stall(&r.file.client.timing))
	n, err := r.body.Read(p)
	r.stall.Stop() // what happens to the bytes takes its own time
	if n > 0 || err == nil {
		return n, nil // an error comes again
	}
	if cause := context.Cause(r.conn); errors.Is(cause, errStalled) {
		err = cause
	} else if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if _, told := errors.AsType[*fault.Error](err); told {
		return 0, judged(err)
	}
	return 0, fault.Wrap(fault.Unavailable, err, "the connection to %s, which has the model's file, broke off or stood still", r.source.name()).On(fault.Host)
}

func (r *reader) connect() error {
	s, err := r.file.first()
	if err != nil {
		return &refusal{err}
	}
	r.source = s
	r.conn, r.drop = context.WithCancelCause(r.ctx)
	drop := r.drop
	r.body, err = s.open(r.conn, r.at, r.end)
	if err != nil {
		drop(nil)
		r.body = nil
		return err
	}
	r.stall = time.AfterFunc(time.Hour, func() { drop(errStalled) })
	r.stall.Stop()
	return nil
}

// recover makes ready for another try, after a pause, and returns an error when there
// is none to be made.
func (r *reader) recover(err error) error {
	r.disconnect()
	if r.ctx.Err() != nil {
		return r.ctx.Err()
	}
	_, forGood := errors.AsType[*refusal](err)
	if r.source != nil {
		r.file.failed(r.source, plain(err), forGood)
	}
	if forGood {
		if _, none := r.file.first(); none != nil {
			return plain(err)
		}
		return nil // the next one, at once
	}
	timing := r.file.client.timing
	if r.file.fails(r.tried) >= timing.Patience {
		return plain(err)
	}
	r.failed++
	pause := min(timing.Pause<<min(r.failed-1, 16), timing.MaxPause)
	pause = max(pause/2+rand.N(pause/2+1), fault.RetryAfterOf(err))
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-r.ctx.Done():
		return r.ctx.Err()
	case <-timer.C:
		return nil
	}
}

// plain is an error without the note that another try makes no sense.
func plain(err error) error {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.error
	}
	return err
}

func (r *reader) disconnect() {
	if r.body == nil {
		return
	}
	r.stall.Stop()
	r.drop(nil)
	r.body.Close()
	r.body = nil
}

// Close implements [io.Closer].
func (r *reader) Close() error {
	r.disconnect()
	r.cancel()
	if r.lasting == nil {
		r.lasting = errors.New("the reader is closed")
	}
	return nil
}
