// Package rpc has what every kind of plugin needs on the wire: errors that keep
// their kind and side.
package rpc

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/internal/pb/pluginv1"
)

// codesOf are the codes that programs see which know nothing of our detail.
var codesOf = map[fault.Kind]codes.Code{
	fault.Internal: codes.Internal, fault.Invalid: codes.InvalidArgument, fault.Unauthenticated: codes.Unauthenticated,
	fault.Forbidden: codes.PermissionDenied, fault.NotFound: codes.NotFound, fault.Conflict: codes.AlreadyExists,
	fault.TooLarge: codes.ResourceExhausted, fault.RateLimited: codes.ResourceExhausted, fault.NotImplemented: codes.Unimplemented,
	fault.Unavailable: codes.Unavailable, fault.Timeout: codes.DeadlineExceeded, fault.NoSpace: codes.ResourceExhausted,
	fault.Canceled: codes.Canceled, fault.Corrupt: codes.DataLoss,
}

// maxText bounds what of an error crosses, in bytes: it travels in a header.
const maxText = 1 << 10

// Status returns an error as it leaves a plugin; nil for nil.
func Status(err error) error {
	if err == nil {
		return nil
	}
	kind := fault.KindOf(err)
	detail := &pluginv1.Error{
		Kind: uint32(kind), Side: uint32(fault.SideOf(err)), RetryAfterMs: fault.RetryAfterOf(err).Milliseconds(),
		Message: cut(messageOf(err)), Cause: cut(err.Error()),
	}
	s, failed := status.New(codesOf[kind], cut(err.Error())).WithDetails(detail)
	if failed != nil { // only where a code were OK
		return status.Error(codes.Internal, cut(err.Error()))
	}
	return s.Err()
}

// messageOf returns the sentence for users, "" where the error has none of its own.
func messageOf(err error) string {
	if e, ok := errors.AsType[*fault.Error](err); ok {
		return e.Message
	}
	return ""
}

func cut(text string) string {
	if len(text) > maxText {
		return text[:maxText] + "…"
	}
	return text
}

// Fault returns an error as it arrives from a plugin; nil for nil. What the plugin
// calls its own is the plugin's here. A call that ended because its context did
// has the context's error.
func Fault(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	s, ok := status.FromError(err)
	if !ok {
		return err
	}
	for _, d := range s.Details() {
		if detail, is := d.(*pluginv1.Error); is {
			return fromDetail(detail)
		}
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return fromCode(s)
}

func fromDetail(d *pluginv1.Error) error {
	e := &fault.Error{
		Kind: fault.Kind(min(d.GetKind(), uint32(^fault.Kind(0)))), Side: fault.Side(min(d.GetSide(), uint32(^fault.Side(0)))),
		Message: d.GetMessage(), RetryAfter: max(0, time.Duration(d.GetRetryAfterMs())*time.Millisecond),
	}
	if e.Kind == fault.None {
		e.Kind = fault.Internal
	}
	if e.Side == fault.Ours {
		e.Side = fault.Plugin
	}
	switch {
	case e.Kind == fault.Canceled:
		e.Cause = context.Canceled
	case e.Kind == fault.Timeout:
		e.Cause = context.DeadlineExceeded
	case d.GetCause() != "" && d.GetCause() != e.Message:
		e.Cause = errors.New(d.GetCause())
	}
	return e
}

// kindsOf are the kinds of the codes that gRPC itself makes none of: a plugin that
// knows nothing of our detail means them.
var kindsOf = map[codes.Code]fault.Kind{
	codes.InvalidArgument: fault.Invalid, codes.OutOfRange: fault.Invalid, codes.Unauthenticated: fault.Unauthenticated, codes.PermissionDenied: fault.Forbidden,
	codes.NotFound: fault.NotFound, codes.AlreadyExists: fault.Conflict, codes.FailedPrecondition: fault.Conflict, codes.Aborted: fault.Conflict,
	codes.DataLoss: fault.Corrupt,
}

// fromCode is an error without our detail: one that gRPC made, or of a plugin in
// another language.
func fromCode(s *status.Status) error {
	if kind, ok := kindsOf[s.Code()]; ok {
		return fault.New(kind, "%s", s.Message()).On(fault.Plugin)
	}
	cause := errors.New(s.Message())
	switch s.Code() {
	case codes.Unavailable:
		return fault.Wrap(fault.Unavailable, cause, "the plugin is away").On(fault.Plugin)
	case codes.DeadlineExceeded:
		return fault.Wrap(fault.Timeout, cause, "the plugin took too long").On(fault.Plugin)
	case codes.Canceled:
		return fault.Wrap(fault.Canceled, context.Canceled, "the call was given up").On(fault.Plugin)
	case codes.Unimplemented:
		return fault.Wrap(fault.NotImplemented, cause, "the plugin does not know this call").On(fault.Plugin)
	case codes.ResourceExhausted:
		return fault.Wrap(fault.TooLarge, cause, "the plugin sent more than may be sent at once").On(fault.Plugin)
	}
	return fault.Wrap(fault.Internal, cause, "the plugin failed").On(fault.Plugin)
}
