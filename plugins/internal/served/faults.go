package served

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// StatusError is the cause of an error that a server answered with.
type StatusError struct {
	Status int
	Header http.Header
}

func (r *StatusError) Error() string { return "the server answers " + strconv.Itoa(r.Status) }

// refused is the error of an answer that is none.
func (c *Client) refused(answer *http.Response, what string) error {
	cause := &StatusError{answer.StatusCode, answer.Header}
	if c.explain != nil {
		if e := c.explain(answer, what); e != nil {
			e.Cause = cause
			return e.On(fault.Service)
		}
	}
	return byStatus(cause, what).On(fault.Service)
}

func byStatus(r *StatusError, what string) *fault.Error {
	switch status := r.Status; {
	case status == http.StatusUnauthorized:
		return fault.Wrap(fault.Unauthenticated, r, "the server wants to know who asks, or does not know who does, so the plugin can't %s", what)
	case status == http.StatusForbidden:
		return fault.Wrap(fault.Forbidden, r, "the server does not let the plugin %s", what)
	case status == http.StatusNotFound, status == http.StatusGone:
		return fault.Wrap(fault.NotFound, r, "there is nothing where the plugin is to %s", what)
	case status == http.StatusPreconditionFailed:
		return fault.Wrap(fault.Conflict, r, "the file was replaced when the plugin was to %s", what)
	case status == http.StatusTooManyRequests:
		return fault.Wrap(fault.RateLimited, r, "the server is asked too often to %s", what).After(retryAfter(r.Header))
	case status == http.StatusNotImplemented, status == http.StatusMethodNotAllowed:
		return fault.Wrap(fault.NotImplemented, r, "the server can't %s", what)
	case status >= http.StatusInternalServerError:
		return fault.Wrap(fault.Unavailable, r, "the server fails to %s", what).After(retryAfter(r.Header))
	}
	return fault.Wrap(fault.Invalid, r, "the server refuses to %s", what)
}

// withoutAnswer is the error of a request to which no answer came, or none that is whole.
// It does not have the address, which may be a secret.
func withoutAnswer(ctx context.Context, err error, what string) error {
	if ended := ctx.Err(); ended != nil {
		return ended
	}
	if e, ok := errors.AsType[*fault.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if unknown, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return fault.Wrap(fault.Invalid, unknown, "nobody who is trusted vouches for the server's certificate; ca_file may name who does").On(fault.Service)
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return fault.Wrap(fault.Unavailable, err, "the server is out of reach to %s", what).On(fault.Service)
	}
	return fault.Wrap(fault.Unavailable, err, "the server did not answer properly when the plugin was to %s", what).On(fault.Service)
}

// StatusOf returns the status that a server refused with, 0 where it did not.
func StatusOf(err error) int {
	if r, ok := errors.AsType[*StatusError](err); ok {
		return r.Status
	}
	return 0
}

// retryAfter returns how long a server wants to be left alone, 0 where it does not say.
func retryAfter(h http.Header) time.Duration {
	if seconds, err := strconv.Atoi(h.Get("Retry-After")); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(h.Get("Retry-After")); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
