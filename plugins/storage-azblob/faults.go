package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"

	"github.com/corral-fleet/corral/sdk/fault"
)

func absent(key string) error { return fault.New(fault.NotFound, "there is no object %q", key) }

// answerOf returns the service's answer that an error is of, nil where there was none.
func answerOf(err error) *azcore.ResponseError {
	e, _ := errors.AsType[*azcore.ResponseError](err)
	return e
}

// statusOf returns the status of an error's answer, 0 where there was none.
func statusOf(err error) int {
	if e := answerOf(err); e != nil {
		return e.StatusCode
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
	e := answerOf(err)
	if e == nil {
		return withoutAnswer(err, what).On(fault.Service)
	}
	if known := byCode(e, what); known != nil {
		return known.On(fault.Service)
	}
	return byStatus(e, what).On(fault.Service)
}

// byCode returns what a code of the service means, nil for one that means nothing more
// than its status.
func byCode(e *azcore.ResponseError, what string) *fault.Error {
	switch bloberror.Code(e.ErrorCode) {
	case bloberror.AuthenticationFailed, bloberror.InvalidAuthenticationInfo, bloberror.NoAuthenticationInformation:
		return fault.Wrap(fault.Unauthenticated, e, "account_key, or sas_token, is not one of the account's, so the plugin can't %s", what)
	case bloberror.AuthorizationFailure, bloberror.AuthorizationPermissionMismatch, bloberror.AuthorizationServiceMismatch, bloberror.AuthorizationResourceTypeMismatch:
		return fault.Wrap(fault.Forbidden, e, "account_key, sas_token or the machine's identity does not allow to %s", what)
	case bloberror.ContainerNotFound:
		return fault.Wrap(fault.Unavailable, e, "there is no such container, so the plugin can't %s", what)
	case bloberror.ContainerBeingDeleted, bloberror.ContainerDisabled, bloberror.AccountBeingCreated, bloberror.AccountIsDisabled:
		return fault.Wrap(fault.Unavailable, e, "the account or the container is not in use, so the plugin can't %s", what)
	case bloberror.ServerBusy:
		return fault.Wrap(fault.RateLimited, e, "the service is asked too often to %s", what).After(wait(e.RawResponse))
	case bloberror.MD5Mismatch, bloberror.CRC64Mismatch:
		return fault.Wrap(fault.Corrupt, e, "the service got other bytes than were sent when the plugin was to %s", what)
	case bloberror.InvalidBlockList, bloberror.InvalidBlobOrBlock:
		return fault.Wrap(fault.Conflict, e, "another upload came first when the plugin was to %s", what)
	}
	return nil
}

func byStatus(e *azcore.ResponseError, what string) *fault.Error {
	switch status := e.StatusCode; {
	case status == http.StatusUnauthorized:
		return fault.Wrap(fault.Unauthenticated, e, "the service does not know who asks, so the plugin can't %s", what)
	case status == http.StatusForbidden:
		return fault.Wrap(fault.Forbidden, e, "the credentials do not allow to %s", what)
	case status == http.StatusNotFound:
		return fault.Wrap(fault.NotFound, e, "there is nothing where the plugin is to %s", what)
	case status == http.StatusConflict, status == http.StatusPreconditionFailed:
		return fault.Wrap(fault.Conflict, e, "something else came first when the plugin was to %s", what)
	case status == http.StatusTooManyRequests:
		return fault.Wrap(fault.RateLimited, e, "the service is asked too often to %s", what).After(wait(e.RawResponse))
	case status == http.StatusRequestEntityTooLarge:
		return fault.Wrap(fault.TooLarge, e, "it is too large to %s", what)
	case status == http.StatusInsufficientStorage:
		return fault.Wrap(fault.NoSpace, e, "there is no space left to %s", what)
	case status >= http.StatusInternalServerError:
		return fault.Wrap(fault.Unavailable, e, "the service fails to %s", what).After(wait(e.RawResponse))
	}
	return fault.Wrap(fault.Invalid, e, "the service refuses to %s", what)
}

// withoutAnswer is the error of a request to which no answer came.
func withoutAnswer(err error, what string) *fault.Error {
	if unknown, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return fault.Wrap(fault.Invalid, unknown, "nobody who is trusted vouches for the service's certificate; ca_file may name who does")
	}
	if failed, ok := errors.AsType[*azidentity.AuthenticationFailedError](err); ok {
		return fault.Wrap(fault.Unauthenticated, failed, "ambient_credentials is set, and the machine's identity is not accepted, so the plugin can't %s", what)
	}
	return fault.Wrap(fault.Unavailable, err, "the service is out of reach to %s", what)
}

// wait returns how long the service wants to be left alone, 0 where it does not say.
func wait(r *http.Response) time.Duration {
	if r == nil {
		return 0
	}
	seconds, err := strconv.Atoi(r.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
