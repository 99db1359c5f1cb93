package ollamaapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/sdk/fault"
)

// report is one line of what Ollama tells of a pull, a push or a creation.
type report struct {
	Status    string `json:"status"`
	Digest    string `json:"digest,omitempty"`
	Total     int64  `json:"total,omitempty"`
	Completed int64  `json:"completed,omitempty"`
}

// success is the last line of what went well.
const success = "success"

// job does something that takes a while and tells how far it is, from one goroutine at a
// time. It returns soon after its context has ended, and then tells nothing more.
type job func(ctx context.Context, tell func(report)) error

// refused is an error in the words of an Ollama, with the status that it has for it.
type refused struct {
	status  int
	message string
}

func (r *refused) Error() string { return r.message }

// answer returns what Ollama answers while a job is done: a line for each report, or in
// the case of a caller who wants one answer, the last of them. A job that fails before it
// has told anything fails with a status, and with a line later.
func answer(ctx context.Context, streams bool, do job) (*edge.Response, error) {
	if !streams {
		if err := do(ctx, func(report) {}); err != nil {
			return refusal(err)
		}
		return plain(200, report{Status: success})
	}
	p := begin(ctx, do)
	if first, more := <-p.lines; more {
		p.rest = first
	} else if p.err != nil {
		return refusal(errors.Join(p.err, p.Close()))
	}
	return &edge.Response{Stream: p, Header: []edge.HeaderField{
		{Name: "Content-Type", Value: "application/x-ndjson"}, {Name: "X-Accel-Buffering", Value: "no"},
	}}, nil
}

// refusal returns the answer to what has failed.
func refusal(err error) (*edge.Response, error) {
	if r, ok := errors.AsType[*refused](err); ok {
		return plain(r.status, wrong{r.message})
	}
	return nil, err
}

// wrong is an error as Ollama writes it.
type wrong struct {
	Error string `json:"error"`
}

func plain(status int, v any) (*edge.Response, error) {
	resp, err := edge.JSON(status, v)
	if err == nil {
		resp.Header = []edge.HeaderField{{Name: "Content-Type", Value: "application/json"}}
	}
	return resp, err
}

// telling is an answer that comes line by line while a job is done.
type telling struct {
	lines chan []byte // closed when the job has ended
	err   error       // of the job, once lines is closed
	end   context.CancelFunc
	rest  []byte // of the line that is being read
	last  bool   // the last line has been read, or is rest
}

func begin(ctx context.Context, do job) *telling {
	ctx, end := context.WithCancel(ctx)
	p := &telling{lines: make(chan []byte), end: end}
	go func() {
		defer close(p.lines)
		p.err = do(ctx, func(r report) {
			select {
			case p.lines <- lineOf(r):
			case <-ctx.Done():
			}
		})
	}()
	return p
}

func lineOf(v any) []byte {
	line, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and numbers can always be encoded
	}
	return append(line, '\n')
}

// Read implements [io.Reader]: one line at most.
func (p *telling) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		if p.last {
			return 0, io.EOF
		}
		line, more := <-p.lines
		if !more {
			p.last = true
			line = lineOf(report{Status: success})
			if p.err != nil {
				line = lineOf(wrong{messageOf(p.err)})
			}
		}
		p.rest = line
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// Close implements [io.Closer]. It ends the job.
func (p *telling) Close() error {
	p.end()
	for range p.lines { // until it has ended
	}
	return nil
}

func messageOf(err error) string {
	if r, ok := errors.AsType[*refused](err); ok {
		return r.message
	}
	return fault.MessageOf(err)
}
