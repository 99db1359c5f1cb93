package fetch

import (
	"context"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// File is one that can be read by ranges. Its methods may be called concurrently.
type File struct {
	name   string
	size   int64
	path   string // on this host; "" where it isn't
	client *Client

	began   time.Time
	failing atomic.Int64 // since when no byte has come, in nanoseconds after it began; 0 is that one came last

	mu      sync.Mutex
	sources []source     // the one that answered last is the first
	peers   []*otherHost // all that ever were among them
	last    error        // why the last of them was given up
}

// source is one place that has a file.
type source interface {
	// open returns the bytes from at to end. An error that another try won't mend is a
	// refusal; none says the address.
	open(ctx context.Context, at, end int64) (io.ReadCloser, error)
	name() string // for messages
	// stall is how long the next piece is waited for.
	stall(t *Timing) time.Duration
}

// Opener is another way to a file than by HTTP. Open fails with a fault whose kind says
// whether another try makes sense.
type Opener interface {
	Name() string
	Open(ctx context.Context, offset, length int64) (io.ReadCloser, error)
}

// File returns the file that a source is of, which may be had by more than its URLs: what
// is more is tried last. Its name is for messages alone.
func (c *Client) File(name string, from work.Source, more ...Opener) (*File, error) {
	f := &File{name: name, size: from.SizeBytes, client: c, began: time.Now()}
	if info, err := os.Stat(from.Path); from.Path != "" && err == nil && info.Mode().IsRegular() && info.Size() == from.SizeBytes {
		f.path = from.Path
	}
	for _, at := range from.Peers {
		p, err := c.peer(name, from.SizeBytes, at)
		if err != nil {
			return nil, err
		}
		if p != nil {
			f.peers, f.sources = append(f.peers, p), append(f.sources, p)
		}
	}
	urls, err := c.addresses(from.URLs)
	if err != nil {
		return nil, err
	}
	for _, u := range urls {
		f.sources = append(f.sources, &website{http: c.http, url: u, file: name, size: from.SizeBytes})
	}
	for _, m := range more {
		f.sources = append(f.sources, &opener{m})
	}
	if f.path == "" && len(f.sources) == 0 {
		return nil, fault.New(fault.NotFound, "nothing says where to get %q from", name)
	}
	return f, nil
}

// Ranges are bytes that other files make up. A read of them fails with a fault.
type Ranges interface {
	Open(ctx context.Context, offset, length int64) (io.ReadCloser, error)
}

// Assembled returns a file that is put together of others, and that the source's hosts have
// as one. The others are read where those fail.
func (c *Client) Assembled(name string, from work.Source, of Ranges) (*File, error) {
	f, err := c.File(name, from)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return nil, err
	}
	if f == nil {
		f = &File{name: name, size: from.SizeBytes, client: c, began: time.Now()}
	}
	f.sources = append(f.sources, &assembly{of})
	return f, nil
}

// SizeBytes returns the size that the file has to have.
func (f *File) SizeBytes() int64 { return f.size }

// Path returns where the file is on this host, and "" where it isn't.
func (f *File) Path() string { return f.path }

// Open returns a reader of a range. It fails, as its reads do, with a fault whose
// kind says whether another try makes sense.
func (f *File) Open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	if offset < 0 || length < 0 || length > f.size-offset {
		return nil, fault.New(fault.Invalid, "bytes %d to %d are beyond the end of %q, which has %d", offset, offset+length, f.name, f.size)
	}
	if f.path != "" {
		return openLocal(f.path, offset, length)
	}
	ctx, cancel := context.WithCancel(ctx)
	return &reader{ctx: ctx, cancel: cancel, file: f, at: offset, end: offset + length}, nil
}

type local struct {
	io.Reader
	io.Closer
}

func openLocal(path string, offset, length int64) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "the model's file on this host cannot be read").On(fault.Host)
	}
	return local{io.NewSectionReader(f, offset, length), f}, nil
}

// first returns the source to be tried, and an error when none is left.
func (f *File) first() (source, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.sources) == 0 {
		return nil, f.last
	}
	return f.sources[0], nil
}

// failed has another source tried next, and this one never again where that makes no
// sense.
func (f *File) failed(s source, err error, forGood bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := slices.Index(f.sources, s)
	if at < 0 {
		return
	}
	f.sources = slices.Delete(f.sources, at, at+1)
	if !forGood {
		f.sources = append(f.sources, s)
		return
	}
	f.last = err
}

// fails notes that a try which began then brought nothing, and returns for how long that
// has been so, whoever tried: Ollama asks anew when it has waited long enough.
func (f *File) fails(tried time.Time) time.Duration {
	f.failing.CompareAndSwap(0, max(1, int64(tried.Sub(f.began))))
	return time.Since(f.began) - time.Duration(f.failing.Load())
}

// opener is a source that is no website.
type opener struct{ Opener }

func (o *opener) name() string { return o.Name() }

func (o *opener) stall(t *Timing) time.Duration { return t.Stall }

func (o *opener) open(ctx context.Context, at, end int64) (io.ReadCloser, error) {
	body, err := o.Open(ctx, at, end-at)
	if err != nil {
		return nil, judged(err)
	}
	return body, nil
}

// assembly is a source that is put together of other files, each of which has sources of
// its own, and waits for them, and keeps to the limit of the rate.
type assembly struct{ of Ranges }

func (a *assembly) name() string { return "what the file is put together of" }

func (a *assembly) stall(t *Timing) time.Duration { return 2 * t.Patience }

func (a *assembly) open(ctx context.Context, at, end int64) (io.ReadCloser, error) {
	body, err := a.of.Open(ctx, at, end-at)
	if err != nil {
		return nil, judged(err)
	}
	return body, nil
}

// judged marks a fault that another try won't mend.
func judged(err error) error {
	switch fault.KindOf(err) {
	case fault.Unavailable, fault.RateLimited, fault.Timeout:
		return err
	}
	return &refusal{err}
}

// refusal is an error that another try at the same source won't mend.
type refusal struct{ error }

func (r *refusal) Unwrap() error { return r.error }
