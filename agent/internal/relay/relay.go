// Package relay serves the streams that a control plane opens: it carries each
// request to the instance's Ollama and each piece of the answer back as it
// comes, shows what an instance printed, and has jobs on its models done.
package relay

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/agent/internal/ollama"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
	"github.com/corral-fleet/corral/sdk/wire/exchange"
	"github.com/corral-fleet/corral/sdk/wire/nowait"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// Kept connections to an Ollama, and for how long an idle one is kept.
const (
	maxIdle     = 64
	idleTimeout = 90 * time.Second
)

// The most that one read of an answer takes on, in bytes: of one that comes token
// by token, of which thousands may be waiting to be written, and of any other.
const (
	tokensSize = 4 << 10
	pieceSize  = 16 << 10
)

// Relay serves streams. Its methods may be called concurrently.
type Relay struct {
	instances map[string]*instance
	jobs      Jobs
	log       hclog.Logger
	inFlight  atomic.Int64
	draining  atomic.Bool
	leaving   chan struct{} // closed when it drains
	ended     chan struct{} // has an element when a request or a job has ended while draining
	jobCount  atomic.Int64
	tokens    sync.Pool // of tokensSize
	pieces    sync.Pool // of pieceSize
}

// instance is one Ollama with the connections to it.
type instance struct {
	*ollama.Supervisor
	name string

	busy    chan struct{} // has an element while a job is done
	waiting atomic.Int32  // jobs that wait for their turn

	mu      sync.Mutex
	address string // that calls go to
	calls   *exchange.Client
}

// New returns a relay to these instances, by their names, which has jobs do the work on
// their models.
func New(instances map[string]*ollama.Supervisor, jobs Jobs, log hclog.Logger) *Relay {
	r := &Relay{instances: map[string]*instance{}, jobs: jobs, log: log, leaving: make(chan struct{}), ended: make(chan struct{}, 1)}
	r.tokens.New = func() any { b := make([]byte, tokensSize); return &b }
	r.pieces.New = func() any { b := make([]byte, pieceSize); return &b }
	for name, s := range instances {
		r.instances[name] = &instance{Supervisor: s, name: name, busy: make(chan struct{}, 1)}
	}
	return r
}

// InFlight returns how many requests are being relayed.
func (r *Relay) InFlight() int { return int(r.inFlight.Load()) }

// Serve serves one stream until it ends or ctx does.
func (r *Relay) Serve(ctx context.Context, stream net.Conn) {
	if err := exchange.Serve(ctx, stream, r.handle); err != nil && ctx.Err() == nil {
		r.log.Debug("stream ended", "error", err)
	}
}

// Close closes what is kept open to the instances.
func (r *Relay) Close() error {
	var errs []error
	for _, i := range r.instances {
		i.mu.Lock()
		if i.calls != nil {
			errs = append(errs, i.calls.Close())
		}
		i.mu.Unlock()
	}
	return errors.Join(errs...)
}

// handle answers one request, and says in the answer when it is not Ollama's.
func (r *Relay) handle(ctx context.Context, in *exchange.Incoming, out *exchange.Reply) error {
	err := r.route(ctx, in, out)
	if err == nil || ctx.Err() != nil || out.Started() {
		return err
	}
	mark := fault.KindOf(err).String() + " " + fault.SideOf(err).String()
	return out.Send(502, exchange.Fields{{Name: wire.FaultField, Value: mark}}, []byte(fault.MessageOf(err)))
}

func (r *Relay) route(ctx context.Context, in *exchange.Incoming, out *exchange.Reply) error {
	if rest, ok := strings.CutPrefix(in.Target, wire.OllamaPath); ok {
		i, target, err := r.find(rest)
		if err != nil {
			return err
		}
		return r.ollama(ctx, i, target, in, out)
	}
	if rest, ok := strings.CutPrefix(in.Target, wire.LogsPath); ok {
		i, query, err := r.find(rest)
		if err != nil {
			return err
		}
		return r.logs(ctx, i, query, out)
	}
	if rest, ok := strings.CutPrefix(in.Target, work.Path); ok {
		i, extra, err := r.find(rest)
		if err == nil && extra != "" {
			err = errNotServed
		}
		if err != nil {
			return err
		}
		return r.work(ctx, i, in, out)
	}
	return errNotServed
}

var errNotServed = fault.New(fault.NotFound, "the agent does not serve this path").On(fault.Host)

// find splits a target behind its prefix into the instance that it names and the rest.
func (r *Relay) find(target string) (*instance, string, error) {
	end := strings.IndexAny(target, "/?")
	if end < 0 {
		end = len(target)
	}
	name, err := url.PathUnescape(target[:end])
	if err != nil {
		return nil, "", errNotServed
	}
	i := r.instances[name]
	if i == nil {
		return nil, "", fault.New(fault.NotFound, "this host has no Ollama instance %q", name).On(fault.Host)
	}
	return i, target[end:], nil
}

// allowed are the paths of Ollama that may be reached: its API and nothing else,
// also not by way of a path that a server might take for a shorter one.
func allowed(target string) bool {
	raw, _, _ := strings.Cut(target, "?")
	clean, err := url.PathUnescape(raw)
	if err != nil {
		return false
	}
	for segment := range strings.SplitSeq(clean, "/") {
		if segment == ".." || segment == "." {
			return false
		}
	}
	return target == "/" || strings.HasPrefix(raw, "/api/") || strings.HasPrefix(raw, "/v1/")
}

// ollama relays one exchange with an instance's Ollama.
func (r *Relay) ollama(ctx context.Context, i *instance, target string, in *exchange.Incoming, out *exchange.Reply) error {
	if !allowed(target) {
		return errNotServed
	}
	calls, err := i.client()
	if err != nil {
		return err
	}
	if !r.enter() {
		return errLeaving
	}
	defer r.exit()
	if in.Method == "POST" {
		defer i.Used()
	}
	if changesModels(in.Method, target) {
		defer i.Refresh() // even after a failure: part of it may have been done
	}
	generation := begin(i.Progress(), target, in)
	if generation == nil {
		_, err := r.exchange(ctx, calls, target, in, out, nil)
		return err
	}
	ctx, cut := context.WithCancelCause(ctx)
	defer cut(nil)
	generation.OnLost(cut)
	status, err := r.exchange(ctx, calls, target, in, out, generation)
	generation.End(err == nil && status < 500) // a dead runner is told of by a proper answer
	return err
}

// changesModels reports whether a request changes which models there are.
func changesModels(method, target string) bool {
	path, _, _ := strings.Cut(target, "?")
	switch path {
	case "/api/copy", "/api/create", "/api/pull":
		return method == "POST"
	case "/api/delete":
		return method == "DELETE"
	}
	return false
}

// exchange sends the request, relays the answer and returns its status.
// generation is nil unless a model computes the answer.
func (r *Relay) exchange(ctx context.Context, calls *exchange.Client, target string, in *exchange.Incoming, out *exchange.Reply, generation *ollama.Generation) (status int, err error) {
	req := exchange.Request{Method: in.Method, Target: target, Fields: forOllama(in.Fields)}
	if in.Length != 0 {
		req.Body, req.Length = in.Body, in.Length
		_, req.Retry = in.Body.(io.Seeker)
		if generation != nil && !req.Retry {
			req.Body = &question{in.Body, generation}
		}
	} else {
		req.Retry = true
	}
	res, err := calls.Do(ctx, &req)
	if err != nil {
		if ctx.Err() != nil {
			return 0, err
		}
		return 0, fault.Wrap(fault.Unavailable, err, "Ollama on this host broke the request off or could not be reached").On(fault.Ollama)
	}
	defer res.Body.Close() // its error says no more than the last read's
	out.Start(res.Status, res.Fields, res.Length)
	for {
		res.Await()
		ended, err := r.pass(res, out, generation)
		if err != nil || ended {
			return res.Status, err
		}
	}
}

// pass relays what has come of an answer, and reports whether that was the last
// of it.
func (r *Relay) pass(res *exchange.Response, out *exchange.Reply, generation *ollama.Generation) (ended bool, err error) {
	pool := &r.pieces
	if generation != nil {
		pool = &r.tokens
	}
	piece := pool.Get().(*[]byte)
	defer pool.Put(piece)
	n, err := res.Body.Read(*piece)
	ended = err == io.EOF
	if ended {
		err = nil
	}
	write := out.Write
	if ended && res.Length < 0 {
		write = out.Last // the end goes out with the last piece, and before the request counts as ended
	}
	if n == 0 {
		if ended && res.Length < 0 {
			_, err = write(nil)
		}
		return ended, err
	}
	if generation != nil {
		generation.Deliver()
	}
	if _, werr := write((*piece)[:n]); werr != nil {
		return false, werr
	}
	if generation != nil {
		generation.Advance()
	}
	return ended, err
}

// forOllama returns the fields that Ollama gets: what describes the body, and
// nothing by which a browser's origin or a caller's key would reach it.
func forOllama(fields exchange.Fields) exchange.Fields {
	kept := fields[:0]
	for _, f := range fields {
		for _, name := range [...]string{"Content-Type", "Accept", "User-Agent"} {
			if strings.EqualFold(f.Name, name) {
				kept = append(kept, f)
			}
		}
	}
	return kept
}

// client returns the connections to where the instance serves now.
func (i *instance) client() (*exchange.Client, error) {
	address, ok := i.Endpoint()
	if !ok {
		s := i.Snapshot()
		message := s.Message
		if message == "" {
			message = "it is " + strconv.Quote(s.State)
		}
		return nil, fault.New(fault.Unavailable, "Ollama on this host does not serve: %s", message).On(fault.Ollama)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if address != i.address {
		if i.calls != nil {
			i.calls.Close() // to an Ollama that is gone
		}
		i.address = address
		i.calls = exchange.NewClient(func(ctx context.Context) (net.Conn, error) {
			var d net.Dialer
			conn, err := d.DialContext(ctx, "tcp", address)
			if err != nil {
				return nil, err
			}
			return nowait.Wrap(conn), nil
		}, address, maxIdle, idleTimeout)
	}
	return i.calls, nil
}
