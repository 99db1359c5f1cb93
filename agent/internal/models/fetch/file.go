package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
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
	sources []*source // the one that answered last is the first
	last    error     // why the last of them was given up
}

// source is one address of a file.
type source struct {
	url  *url.URL
	etag string // that it began with; "" is none
}

// File returns the file that a source is of. Its name is for messages alone.
func (c *Client) File(name string, from work.Source) (*File, error) {
	f := &File{name: name, size: from.SizeBytes, client: c, began: time.Now()}
	if info, err := os.Stat(from.Path); from.Path != "" && err == nil && info.Mode().IsRegular() && info.Size() == from.SizeBytes {
		f.path = from.Path
	}
	urls, err := c.addresses(from.URLs)
	if err != nil {
		return nil, err
	}
	for _, u := range urls {
		f.sources = append(f.sources, &source{url: u})
	}
	if f.path == "" && len(f.sources) == 0 {
		return nil, fault.New(fault.NotFound, "nothing says where to get %q from", name)
	}
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
func (f *File) first() (*source, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.sources) == 0 {
		return nil, f.last
	}
	return f.sources[0], nil
}

// failed has another source tried next, and this one never again where that makes no
// sense.
func (f *File) failed(s *source, err error, forGood bool) {
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

// open asks a source for the rest of a range. What it returns is an error that says
// nothing of the address.
func (f *File) open(ctx context.Context, s *source, at, end int64) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url.String(), nil)
	if err != nil {
		return nil, &refusal{errBadAddress}
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", at, end-1))
	res, err := f.client.http.Do(req)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, secretless(err), "%s, which has the model's file, could not be reached", s.url.Host).On(fault.Host)
	}
	if err := f.judge(s, res, at, end); err != nil {
		res.Body.Close()
		return nil, err
	}
	return res.Body, nil
}

// refusal is an error that another try at the same address won't mend.
type refusal struct{ error }

func (r *refusal) Unwrap() error { return r.error }

// judge says what is wrong with an answer.
func (f *File) judge(s *source, res *http.Response, at, end int64) error {
	from := s.url.Host
	switch status := res.StatusCode; {
	case status == http.StatusPartialContent:
	case status == http.StatusOK && at == 0 && end == f.size && (res.ContentLength == f.size || res.ContentLength < 0):
		return f.same(s, res) // a whole file is a range as well
	case status == http.StatusOK:
		return &refusal{fault.New(fault.NotImplemented, "%s, which has the model's file, serves no ranges of it", from).On(fault.Service)}
	case status == http.StatusTooManyRequests, status >= 500:
		return fault.New(fault.Unavailable, "%s, which has the model's file, answers with status %d", from, status).On(fault.Service).After(retryAfter(res))
	case status == http.StatusRequestedRangeNotSatisfiable:
		return &refusal{f.changed(s)}
	case status == http.StatusNotFound || status == http.StatusGone:
		return &refusal{fault.New(fault.NotFound, "the model's file is no longer at %s", from).On(fault.Service)}
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return &refusal{fault.New(fault.Forbidden, "%s does not let the model's file be read, or no longer", from).On(fault.Service)}
	default:
		return &refusal{fault.New(fault.Unavailable, "%s, which should have the model's file, answers with status %d", from, status).On(fault.Service)}
	}
	begin, size, ok := contentRange(res.Header.Get("Content-Range"))
	if !ok || begin != at || size >= 0 && size != f.size {
		return &refusal{f.changed(s)}
	}
	return f.same(s, res)
}

// same says whether a source still has what it had.
func (f *File) same(s *source, res *http.Response) error {
	etag := res.Header.Get("Etag")
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.etag == "" {
		s.etag = etag
	}
	if s.etag != etag {
		return &refusal{f.changed(s)}
	}
	return nil
}

func (f *File) changed(s *source) error {
	return fault.New(fault.Corrupt, "the model's file at %s is another one than was planned with: %q should have %d bytes, and stay as it is", s.url.Host, f.name, f.size).On(fault.Service)
}

// contentRange reads "bytes 5-9/20"; a size that isn't told is negative.
func contentRange(value string) (begin, size int64, ok bool) {
	value, ok = strings.CutPrefix(value, "bytes ")
	span, total, found := strings.Cut(value, "/")
	first, _, dash := strings.Cut(span, "-")
	begin, err := strconv.ParseInt(first, 10, 64)
	if !ok || !found || !dash || err != nil {
		return 0, 0, false
	}
	if total == "*" {
		return begin, -1, true
	}
	size, err = strconv.ParseInt(total, 10, 64)
	return begin, size, err == nil
}

// retryAfter is how long a server wants to be left alone.
func retryAfter(res *http.Response) time.Duration {
	value := res.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil {
		return time.Duration(min(max(seconds, 0), 60)) * time.Second
	}
	return 0
}

// secretless is what went wrong with a request, without where it went.
func secretless(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}
