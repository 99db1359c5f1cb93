package rpc

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/corral-fleet/corral/sdk/fault"
)

func TestErrorsKeepWhatCounts(t *testing.T) {
	for _, kind := range fault.Kinds() {
		for side := fault.Ours; side <= fault.Service; side++ {
			sent := fault.Wrap(kind, errors.New("the cause"), "a sentence").On(side).After(1500 * time.Millisecond)
			got := Fault(t.Context(), Status(sent))
			want := side
			if side == fault.Ours {
				want = fault.Plugin
			}
			if fault.KindOf(got) != kind || fault.SideOf(got) != want || fault.MessageOf(got) != "a sentence" || fault.RetryAfterOf(got) != 1500*time.Millisecond {
				t.Errorf("%v on %v came as %#v", kind, side, got)
			}
			if kind != fault.Canceled && kind != fault.Timeout && !strings.Contains(got.Error(), "the cause") {
				t.Errorf("its cause is lost: %v", got)
			}
		}
	}
	if Status(nil) != nil || Fault(t.Context(), nil) != nil {
		t.Error("nil is an error")
	}
}

func TestErrorsWithoutAKindAreClassified(t *testing.T) {
	for err, want := range map[error]fault.Kind{
		fs.ErrNotExist: fault.NotFound, context.Canceled: fault.Canceled, context.DeadlineExceeded: fault.Timeout, errors.New("what?"): fault.Internal,
	} {
		if got := Fault(t.Context(), Status(err)); fault.KindOf(got) != want || fault.SideOf(got) != fault.Plugin {
			t.Errorf("%v came as %#v", err, got)
		}
	}
	if got := Fault(t.Context(), Status(context.Canceled)); !errors.Is(got, context.Canceled) {
		t.Errorf("%v", got)
	}
}

func TestWhatTheTransportSays(t *testing.T) {
	for code, want := range map[codes.Code]fault.Kind{
		codes.Unavailable: fault.Unavailable, codes.Unimplemented: fault.NotImplemented, codes.DeadlineExceeded: fault.Timeout, codes.Unknown: fault.Internal,
		codes.ResourceExhausted: fault.TooLarge,
	} {
		if got := Fault(t.Context(), status.Error(code, "words")); fault.KindOf(got) != want || fault.SideOf(got) != fault.Plugin {
			t.Errorf("%v came as %#v", code, got)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("the host changed its mind")
	cancel(reason)
	if got := Fault(ctx, status.Error(codes.Canceled, "words")); !errors.Is(got, reason) {
		t.Errorf("a call whose context has ended: %v", got)
	}
}

// A plugin in another language may leave our detail out.
func TestCodesWithoutDetailsAreKinds(t *testing.T) {
	for code, want := range kindsOf {
		got := Fault(t.Context(), status.Error(code, "a sentence"))
		if fault.KindOf(got) != want || fault.SideOf(got) != fault.Plugin || fault.MessageOf(got) != "a sentence" {
			t.Errorf("%v came as %#v", code, got)
		}
	}
	for kind, code := range codesOf {
		if want, ok := kindsOf[code]; ok && want != kind {
			t.Errorf("%v leaves as %v and comes as %v", kind, code, want)
		}
	}
}

func TestLongErrorsAreCut(t *testing.T) {
	got := Fault(t.Context(), Status(fault.New(fault.Invalid, "%s", strings.Repeat("x", 1<<20))))
	if len(got.Error()) > 3*maxText {
		t.Errorf("%d bytes came", len(got.Error()))
	}
}
