package main

import (
	"context"
	"errors"
	iofs "io/fs"
	"net"
	"net/http"
	"syscall"

	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/fserrors"

	"github.com/corral-fleet/corral/sdk/fault"
)

func absent(key string) error { return fault.New(fault.NotFound, "there is no object %q", key) }

// isAbsent reports whether an error is that there is no object.
func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrorObjectNotFound) || errors.Is(err, fs.ErrorIsDir) || errors.Is(err, fs.ErrorNotAFile) ||
		errors.Is(err, fs.ErrorDirNotFound) || errors.Is(err, syscall.ENOTDIR)
}

// explained gives an error of rclone its kind, as far as it tells.
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
	return kindOf(err, format, args...).On(fault.Service)
}

func kindOf(err error, format string, args ...any) *fault.Error {
	e := fault.Wrap(fault.Unavailable, err, "the service fails to "+format, args...)
	status := 0
	if answer, ok := errors.AsType[answered](err); ok {
		status = answer.HTTPStatusCode()
	}
	switch {
	case status == http.StatusUnauthorized:
		e = fault.Wrap(fault.Unauthenticated, err, "the service does not accept the options, so the plugin can't "+format, args...)
	case status == http.StatusForbidden:
		e = fault.Wrap(fault.Forbidden, err, "the service does not allow to "+format, args...)
	case status == http.StatusConflict, status == http.StatusPreconditionFailed:
		e = fault.Wrap(fault.Conflict, err, "something else is in the way to "+format, args...)
	case status == http.StatusTooManyRequests:
		e = fault.Wrap(fault.RateLimited, err, "the service is asked too often to "+format, args...)
	case errors.Is(err, fs.ErrorPermissionDenied), errors.Is(err, iofs.ErrPermission), errors.Is(err, fs.ErrorNotImplemented):
		e = fault.Wrap(fault.Forbidden, err, "the service does not allow to "+format, args...)
	case errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EEXIST), errors.Is(err, syscall.ENOTEMPTY), errors.Is(err, fs.ErrorIsDir):
		e = fault.Wrap(fault.Conflict, err, "something else is in the way to "+format, args...)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		e = fault.Wrap(fault.NoSpace, err, "there is no space left to "+format, args...)
	case isNet(err):
		e = fault.Wrap(fault.Unavailable, err, "the service is out of reach to "+format, args...)
	case fserrors.IsRetryAfterError(err):
		e = fault.Wrap(fault.RateLimited, err, "the service is asked too often to "+format, args...)
	case fserrors.IsFatalError(err):
		e = fault.Wrap(fault.Unauthenticated, err, "the service does not accept the options, so the plugin can't "+format, args...)
	}
	return e
}

// answered is an error of an answer by HTTP, as some of rclone's backends have it.
type answered interface {
	error
	HTTPStatusCode() int
}

func isNet(err error) bool {
	_, ok := errors.AsType[net.Error](err)
	return ok
}
