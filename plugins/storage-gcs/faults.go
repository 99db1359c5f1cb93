package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	gcs "cloud.google.com/go/storage"
	"golang.org/x/oauth2"
	"google.golang.org/api/googleapi"

	"github.com/corral-fleet/corral/sdk/fault"
)

func absent(key string) error { return fault.New(fault.NotFound, "there is no object %q", key) }

// statusOf returns the status of an error's answer, 0 where there was none.
func statusOf(err error) int {
	if e, ok := errors.AsType[*googleapi.Error](err); ok {
		return e.Code
	}
	return 0
}

// explained gives an error of the service its kind. The sentence says what the plugin
// was about to do.
func explained(ctx context.Context, err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	if ended := ctx.Err(); ended != nil {
		return ended
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	what := fmt.Sprintf(format, args...)
	if errors.Is(err, gcs.ErrBucketNotExist) {
		return fault.Wrap(fault.Unavailable, err, "there is no such bucket, so the plugin can't %s", what).On(fault.Service)
	}
	return byStatus(err, what).On(fault.Service)
}

func byStatus(err error, what string) *fault.Error {
	switch status := statusOf(err); {
	case status == 0:
		return withoutAnswer(err, what)
	case status == http.StatusUnauthorized:
		return fault.Wrap(fault.Unauthenticated, err, "the service does not accept credentials_json, so the plugin can't %s", what)
	case status == http.StatusForbidden:
		return fault.Wrap(fault.Forbidden, err, "the credentials do not allow to %s", what)
	case status == http.StatusNotFound:
		return fault.Wrap(fault.NotFound, err, "there is nothing where the plugin is to %s", what)
	case status == http.StatusConflict, status == http.StatusPreconditionFailed:
		return fault.Wrap(fault.Conflict, err, "something else came first when the plugin was to %s", what)
	case status == http.StatusTooManyRequests:
		return fault.Wrap(fault.RateLimited, err, "the service is asked too often to %s", what).After(retryAfter(err))
	case status >= http.StatusInternalServerError:
		return fault.Wrap(fault.Unavailable, err, "the service fails to %s", what).After(retryAfter(err))
	}
	return fault.Wrap(fault.Invalid, err, "the service refuses to %s", what)
}

// withoutAnswer is the error of a request to which no answer came.
func withoutAnswer(err error, what string) *fault.Error {
	if unknown, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return fault.Wrap(fault.Invalid, unknown, "nobody who is trusted vouches for the service's certificate; ca_file may name who does")
	}
	if _, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return fault.Wrap(fault.Unauthenticated, err, "credentials_json, or the machine's identity, is not accepted, so the plugin can't %s", what)
	}
	return fault.Wrap(fault.Unavailable, err, "the service is out of reach to %s", what)
}

// retryAfter returns how long the service wants to be left alone, 0 where it does not
// say.
func retryAfter(err error) time.Duration {
	e, ok := errors.AsType[*googleapi.Error](err)
	if !ok {
		return 0
	}
	seconds, err := strconv.Atoi(e.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
