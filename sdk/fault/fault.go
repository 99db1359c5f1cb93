// Package fault gives errors a kind and a side, both of which survive a
// process boundary.
//
// A wrapped Go error dies where one process ends and the next begins. What the
// receiver needs from it is little: what kind of thing went wrong (so that it
// can pick a status, or decide whether to try again), whose fault it was, and
// one sentence that may be shown to a user. An [Error] carries these three
// beside the cause, which is for the operator's log alone.
//
// The package imports only the standard library. All of its functions may be
// called by several goroutines at once.
package fault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"time"
)

// Error is an error with a kind, a side, a sentence for users and a cause for
// operators.
type Error struct {
	Kind    Kind
	Side    Side
	Message string // one sentence, safe to show to whoever made the request
	Cause   error  // for the operator; may be nil
	// RetryAfter is how long whoever asked should wait before asking again; 0
	// is no advice.
	RetryAfter time.Duration
}

// New returns an error of the given kind, with a sentence that a user may see.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Wrap returns an error of the given kind with a sentence that a user may see
// and a cause that only the operator does. A nil cause is allowed.
func Wrap(kind Kind, cause error, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...), Cause: cause}
}

// On returns the error with its side set.
func (e *Error) On(side Side) *Error {
	c := *e
	c.Side = side
	return &c
}

// After returns the error with the advice to ask again after a while.
func (e *Error) After(wait time.Duration) *Error {
	c := *e
	c.RetryAfter = wait
	return &c
}

// Error returns the sentence followed by its cause, where that says more.
func (e *Error) Error() string {
	switch {
	case e.Cause == nil:
		return e.Message
	case e.Message == "":
		return e.Cause.Error()
	}
	cause := e.Cause.Error()
	if rest, again := strings.CutPrefix(cause, e.Message); again && (rest == "" || strings.HasPrefix(rest, ": ")) {
		return cause // it was told already, before it came from another process, say
	}
	return e.Message + ": " + cause
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// KindOf returns the kind of the outermost [Error] in err's chain. An error
// without one is classified by the standard errors that it wraps, and is
// [Internal] when none of them says more. KindOf(nil) is [None].
func KindOf(err error) Kind {
	if err == nil {
		return None
	}
	var e *Error
	if errors.As(err, &e) && e.Kind != None {
		return e.Kind
	}
	switch {
	case errors.Is(err, context.Canceled):
		return Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	case errors.Is(err, fs.ErrNotExist):
		return NotFound
	case errors.Is(err, syscall.ENOSPC):
		return NoSpace
	}
	return Internal
}

// SideOf returns the side of the outermost [Error] in err's chain that names
// one, and [Ours] when none does.
func SideOf(err error) Side {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return Ours
		}
		if e.Side != Ours {
			return e.Side
		}
		err = e.Cause
	}
	return Ours
}

// RetryAfterOf returns the advice of the outermost [Error] in err's chain that
// gives one, and 0 when none does.
func RetryAfterOf(err error) time.Duration {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return 0
		}
		if e.RetryAfter > 0 {
			return e.RetryAfter
		}
		err = e.Cause
	}
	return 0
}

// MessageOf returns the sentence that a user may see. An error that carries
// none gets a general one, so that the inside of the system never leaks.
func MessageOf(err error) string {
	var e *Error
	if errors.As(err, &e) && e.Message != "" {
		return e.Message
	}
	switch KindOf(err) {
	case Canceled:
		return "the request was cancelled"
	case Timeout:
		return "the request took too long"
	case NoSpace:
		return "there is no space left to store this"
	}
	return "something went wrong inside the server; its log has the cause"
}
