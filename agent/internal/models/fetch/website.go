package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// website is one address of a file.
type website struct {
	http *http.Client
	url  *url.URL
	file string
	size int64

	mu   sync.Mutex
	etag string // that it began with; "" is none
}

func (s *website) name() string { return s.url.Host }

func (s *website) stall(t *Timing) time.Duration { return t.Stall }

func (s *website) open(ctx context.Context, at, end int64) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url.String(), nil)
	if err != nil {
		return nil, &refusal{errBadAddress}
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", at, end-1))
	res, err := s.http.Do(req)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, secretless(err), "%s, which has the model's file, could not be reached", s.url.Host).On(fault.Host)
	}
	if err := s.judge(res, at, end); err != nil {
		res.Body.Close()
		return nil, err
	}
	return res.Body, nil
}

// judge says what is wrong with an answer.
func (s *website) judge(res *http.Response, at, end int64) error {
	from := s.url.Host
	switch status := res.StatusCode; {
	case status == http.StatusPartialContent:
	case status == http.StatusOK && at == 0 && end == s.size && (res.ContentLength == s.size || res.ContentLength < 0):
		return s.same(res) // a whole file is a range as well
	case status == http.StatusOK:
		return &refusal{fault.New(fault.NotImplemented, "%s, which has the model's file, serves no ranges of it", from).On(fault.Service)}
	case status == http.StatusTooManyRequests, status >= 500:
		return fault.New(fault.Unavailable, "%s, which has the model's file, answers with status %d", from, status).On(fault.Service).After(retryAfter(res))
	case status == http.StatusRequestedRangeNotSatisfiable:
		return &refusal{s.changed()}
	case status == http.StatusNotFound || status == http.StatusGone:
		return &refusal{fault.New(fault.NotFound, "the model's file is no longer at %s", from).On(fault.Service)}
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return &refusal{fault.New(fault.Forbidden, "%s does not let the model's file be read, or no longer", from).On(fault.Service)}
	default:
		return &refusal{fault.New(fault.Unavailable, "%s, which should have the model's file, answers with status %d", from, status).On(fault.Service)}
	}
	begin, size, ok := contentRange(res.Header.Get("Content-Range"))
	if !ok || begin != at || size >= 0 && size != s.size {
		return &refusal{s.changed()}
	}
	return s.same(res)
}

// same says whether a source still has what it had.
func (s *website) same(res *http.Response) error {
	etag := res.Header.Get("Etag")
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.etag == "" {
		s.etag = etag
	}
	if etag != "" && s.etag != etag {
		return &refusal{s.changed()}
	}
	return nil
}

func (s *website) changed() error {
	return fault.New(fault.Corrupt, "the model's file at %s is another one than was planned with: %q should have %d bytes, and stay as it is", s.url.Host, s.file, s.size).On(fault.Service)
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
