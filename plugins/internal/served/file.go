package served

import (
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/corral-fleet/corral/plugins/internal/transfer"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// File is a file that a server publishes.
type File struct {
	Key    string // which errors name
	URL    string
	SHA256 string // in hexadecimal, that a whole read is held against; "" is none
	// SizeBytes is how large it is, where that is known; -1 is unknown.
	SizeBytes int64
	// Fixed is that there will never be another one at this address.
	Fixed bool
}

// Read reads a file, or a part of it, as [storage.Backend] has it.
func (c *Client) Read(ctx context.Context, f File, r storage.Range) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	known := f.SizeBytes
	if known < 0 {
		known = 1 << 62
	}
	if _, _, err := r.Of(known); err != nil || f.SizeBytes == 0 {
		return http.NoBody, err
	}
	reading := &reading{client: c, file: f}
	first := c.cut.PartBytes
	if r.LengthBytes > 0 {
		first = min(first, r.LengthBytes)
	}
	first = min(first, known-r.OffsetBytes) // some refuse a range that goes beyond the end
	a, err := reading.begin(ctx, r, first)
	if err != nil || a == nil {
		return http.NoBody, err
	}
	offset, length, err := r.Of(a.total)
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	in := c.cut.Fetch(ctx, transfer.Section{
		Begin: a.body, BeginBytes: min(a.bytes, length), Offset: offset, Bytes: length,
		More: func(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
			return reading.more(ctx, offset, length)
		},
	})
	f.SHA256 = cmp.Or(f.SHA256, a.sha256)
	if f.SHA256 != "" && length == a.total {
		return newVerified(in, f, length), nil
	}
	return in, nil
}

// reading reads one version of a file, by several requests.
type reading struct {
	client  *Client
	file    File
	total   int64
	version Version
	// at is where the server has sent on to last, which is asked directly as long as it
	// answers; nil is where the file is.
	at atomic.Pointer[string]
}

// answer is a part of a file that comes.
type answer struct {
	body    io.ReadCloser
	bytes   int64 // that come
	total   int64 // of the file
	whole   bool  // the server gave no part
	version Version
	sha256  string // of the whole file, where the server says so
}

func (a *answer) Close() error { return a.body.Close() }

// begin asks for the beginning of a range, and for all of it where what follows could not
// be told from another version. It returns nil for a file that is empty.
func (r *reading) begin(ctx context.Context, wanted storage.Range, first int64) (*answer, error) {
	a, err := r.ask(ctx, wanted.OffsetBytes, first, r.file.URL, nil)
	if StatusOf(err) == http.StatusRequestedRangeNotSatisfiable {
		a, err = r.askWithout(ctx, err, wanted)
	}
	if a == nil || err != nil {
		return nil, err
	}
	if r.file.SizeBytes >= 0 && a.total != r.file.SizeBytes {
		return nil, errors.Join(fault.New(fault.Corrupt, "the file %q is told to have %d bytes, and has %d", r.file.Key, r.file.SizeBytes, a.total).On(fault.Service), a.Close())
	}
	_, length, err := wanted.Of(a.total)
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	if !r.file.Fixed && a.version == (Version{}) && !a.whole && a.bytes < length {
		if err := a.Close(); err != nil {
			return nil, withoutAnswer(ctx, err, r.what())
		}
		if a, err = r.ask(ctx, wanted.OffsetBytes, length, r.file.URL, nil); err != nil {
			return nil, err
		}
	}
	r.total, r.version = a.total, a.version
	if !a.whole {
		return a, nil
	}
	if err := a.skip(wanted.OffsetBytes); err != nil {
		return nil, errors.Join(withoutAnswer(ctx, err, r.what()), a.Close())
	}
	return a, nil
}

// askWithout asks for all of a file of which the server refuses a range: it may be empty,
// or end before the range does. It returns nil for one that is known to be empty.
func (r *reading) askWithout(ctx context.Context, refusal error, wanted storage.Range) (*answer, error) {
	if e, ok := errors.AsType[*StatusError](refusal); ok {
		_, size, _ := strings.Cut(e.Header.Get("Content-Range"), "/")
		if total, err := strconv.ParseInt(size, 10, 64); err == nil && r.file.SizeBytes < 0 {
			if _, _, err := wanted.Of(total); err != nil || total == 0 {
				return nil, err
			}
		}
	}
	return r.ask(ctx, 0, 0, r.file.URL, nil)
}

// more asks for a part of the version that was begun.
func (r *reading) more(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	if !r.file.Fixed && r.version == (Version{}) {
		return nil, fault.New(fault.Unavailable, "the file %q broke off, and its server does not say of which version it is, so it is not read on", r.file.Key).On(fault.Service)
	}
	a, err := r.askAgain(ctx, offset, length)
	if err != nil {
		return nil, err
	}
	if !r.file.Fixed && a.version != r.version || a.total != r.total {
		return nil, errors.Join(fault.New(fault.Conflict, "the file %q was replaced while it was read", r.file.Key).On(fault.Service), a.Close())
	}
	if a.whole {
		if err := a.skip(offset); err != nil {
			return nil, errors.Join(withoutAnswer(ctx, err, r.what()), a.Close())
		}
	}
	return a.body, nil
}

// askAgain asks where the server has sent on to before, which it does for a while, or
// where the file is.
func (r *reading) askAgain(ctx context.Context, offset, length int64) (*answer, error) {
	header := r.version.ifRange()
	if at := r.at.Load(); at != nil {
		a, err := r.ask(ctx, offset, length, *at, header)
		if status := StatusOf(err); status < http.StatusBadRequest || status >= http.StatusInternalServerError {
			return a, err
		}
		r.at.CompareAndSwap(at, nil)
	}
	return r.ask(ctx, offset, length, r.file.URL, header)
}

func (r *reading) what() string { return "read the file " + strconv.Quote(r.file.Key) }

// ask asks for a part of the file; one of no bytes is all of it.
func (r *reading) ask(ctx context.Context, offset, length int64, at string, header http.Header) (*answer, error) {
	h := http.Header{}
	if length > 0 {
		h.Set("Range", "bytes="+strconv.FormatInt(offset, 10)+"-"+strconv.FormatInt(offset+length-1, 10))
		maps.Copy(h, header)
	}
	got, err := r.client.Do(ctx, Request{URL: at, Header: h, What: r.what()}) //nolint:bodyclose // the body is the answer's
	if err != nil {
		return nil, err
	}
	if sentTo := got.Request.URL.String(); sentTo != r.file.URL {
		r.at.Store(&sentTo)
	}
	a := &answer{body: got.Body, bytes: got.ContentLength, total: got.ContentLength, version: VersionOf(got.Header), whole: true, sha256: DigestOf(got.Header)}
	if got.StatusCode == http.StatusPartialContent {
		first, total, ok := contentRange(got.Header.Get("Content-Range"))
		if !ok || first != offset {
			return nil, errors.Join(fault.New(fault.Internal, "the server does not say which part of the file %q it sends", r.file.Key).On(fault.Service), a.Close())
		}
		a.total, a.whole = total, false
		a.bytes = min(length, total-offset)
	}
	if a.total < 0 {
		return nil, errors.Join(unsized(r.file.Key), a.Close())
	}
	return a, nil
}

func unsized(key string) error {
	return fault.New(fault.NotImplemented, "the server does not say how large the file %q is", key).On(fault.Service)
}

// skip leaves out what comes before an offset.
func (a *answer) skip(offset int64) error {
	if offset == 0 || offset >= a.total {
		return nil
	}
	_, err := io.CopyN(io.Discard, a.body, offset)
	a.bytes -= offset
	return err
}

// contentRange reads a header such as "bytes 0-9/100".
func contentRange(header string) (first, total int64, ok bool) {
	part, size, found := strings.Cut(strings.TrimPrefix(header, "bytes "), "/")
	begin, _, isRange := strings.Cut(part, "-")
	first, badFirst := strconv.ParseInt(begin, 10, 64)
	total, badTotal := strconv.ParseInt(size, 10, 64)
	return first, total, found && isRange && badFirst == nil && badTotal == nil
}

// SizeOf returns how large the file is of which an answer tells, or a part of which it
// has; -1 is unknown.
func SizeOf(answer *http.Response) int64 {
	if answer.StatusCode != http.StatusPartialContent {
		return answer.ContentLength
	}
	if _, total, ok := contentRange(answer.Header.Get("Content-Range")); ok {
		return total
	}
	return -1
}
