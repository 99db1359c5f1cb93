package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Codes of the service.
const (
	preconditionFailed = "PreconditionFailed"
	noSuchUpload       = "NoSuchUpload"
)

// codeOf returns the service's code of an error, "" where it is none of its errors.
func codeOf(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}

// statusOf returns the status of an error's response, 0 where there was none.
func statusOf(err error) int {
	if r, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return r.HTTPStatusCode()
	}
	return 0
}

func absent(key string) error { return fault.New(fault.NotFound, "there is no object %q", key) }

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
	if e := byCode(err, what); e != nil {
		return e.On(fault.Service)
	}
	return byStatus(err, what).On(fault.Service)
}

// byCode returns what a code of the service means, nil for one that means nothing more
// than its status.
func byCode(err error, what string) *fault.Error {
	switch codeOf(err) {
	case "InvalidAccessKeyId", "XAdminUserNotFound":
		return fault.Wrap(fault.Unauthenticated, err, "the service does not know access_key_id, so the plugin can't %s", what)
	case "SignatureDoesNotMatch":
		return fault.Wrap(fault.Unauthenticated, err, "secret_access_key is not that of access_key_id, so the plugin can't %s", what)
	case "ExpiredToken", "InvalidToken", "TokenRefreshRequired":
		return fault.Wrap(fault.Unauthenticated, err, "session_token is not valid any more, so the plugin can't %s", what)
	case "RequestTimeTooSkewed":
		return fault.Wrap(fault.Unauthenticated, err, "this machine's clock and the service's differ, so the plugin can't %s", what)
	case "NoSuchBucket":
		return fault.Wrap(fault.Unavailable, err, "there is no such bucket, so the plugin can't %s", what)
	case "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "TemporaryRedirect":
		return fault.Wrap(fault.Invalid, err, "the bucket is in another region than region says, so the plugin can't %s", what)
	case "ObjectParentIsFile", "FileParentIsFile", "ExistingObjectIsDirectory", "ObjectIsDirectory", "DirectoryNotEmpty", "XMinioParentIsObject", "XMinioObjectExistsAsDirectory":
		return fault.Wrap(fault.Conflict, err, "the service keeps objects as files, and something else is in the way to %s", what)
	case "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "InsufficientCapacity":
		return fault.Wrap(fault.NoSpace, err, "there is no space left to %s", what)
	case "KeyTooLongError", "EntityTooLarge":
		return fault.Wrap(fault.Invalid, err, "the service can't %s", what)
	case "BadDigest", "XAmzContentSHA256Mismatch", "InvalidDigest", "InvalidPart":
		return fault.Wrap(fault.Corrupt, err, "the service got other bytes than were sent when the plugin was to %s", what)
	}
	return nil
}

func byStatus(err error, what string) *fault.Error {
	switch status := statusOf(err); {
	case status == http.StatusUnauthorized:
		return fault.Wrap(fault.Unauthenticated, err, "access_key_id or secret_access_key is wrong, so the plugin can't %s", what)
	case status == http.StatusForbidden:
		return fault.Wrap(fault.Forbidden, err, "the owner of access_key_id may not %s", what)
	case status == http.StatusNotFound:
		return fault.Wrap(fault.NotFound, err, "there is nothing where the plugin is to %s", what)
	case status == http.StatusConflict, status == http.StatusPreconditionFailed:
		return fault.Wrap(fault.Conflict, err, "something else came first when the plugin was to %s", what)
	case status == http.StatusTooManyRequests, codeOf(err) == "SlowDown":
		return fault.Wrap(fault.RateLimited, err, "the service is asked too often to %s", what).After(retryAfter(err))
	case status == http.StatusNotImplemented:
		return fault.Wrap(fault.NotImplemented, err, "the service can't %s", what)
	case status == http.StatusInsufficientStorage:
		return fault.Wrap(fault.NoSpace, err, "there is no space left to %s", what)
	case status >= http.StatusInternalServerError:
		return fault.Wrap(fault.Unavailable, err, "the service fails to %s", what).After(retryAfter(err))
	case status >= http.StatusBadRequest:
		return fault.Wrap(fault.Invalid, err, "the service refuses to %s", what)
	}
	return withoutAnswer(err, what)
}

// withoutAnswer is the error of a request to which no answer came.
func withoutAnswer(err error, what string) *fault.Error {
	if unknown, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return fault.Wrap(fault.Invalid, unknown, "nobody who is trusted vouches for the service's certificate; ca_file may name who does")
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return fault.Wrap(fault.Unavailable, err, "the service is out of reach to %s", what)
	}
	if _, ok := errors.AsType[*aws.RequestCanceledError](err); ok {
		return fault.Wrap(fault.Unavailable, err, "the service took too long to %s", what)
	}
	return fault.Wrap(fault.Unavailable, err, "the service did not answer properly when the plugin was to %s", what)
}

// retryAfter returns how long the service wants to be left alone, 0 where it does not
// say.
func retryAfter(err error) time.Duration {
	r, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok || r.Response == nil {
		return 0
	}
	seconds, err := strconv.Atoi(r.Response.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
