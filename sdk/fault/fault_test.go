package fault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestEveryKindKeepsItsCode(t *testing.T) {
	seen := map[string]Kind{}
	for _, k := range Kinds() {
		code := k.String()
		if other, dup := seen[code]; dup || code == "" {
			t.Errorf("kinds %d and %d share the code %q", other, k, code)
		}
		seen[code] = k
		if got := ParseKind(code); got != k {
			t.Errorf("ParseKind(%q) = %v, want %v", code, got, k)
		}
	}
	if got := Kind(200).String(); got != "internal" {
		t.Errorf("a kind from the future reads as %q, want internal", got)
	}
	if got := ParseKind("from_the_future"); got != Internal {
		t.Errorf("an unknown code is %v, want Internal", got)
	}
}

func TestKindOf(t *testing.T) {
	f := func(err error, want Kind) {
		t.Helper()
		if got := KindOf(err); got != want {
			t.Errorf("KindOf(%v) = %v, want %v", err, got, want)
		}
	}
	f(nil, None)
	f(errors.New("plain"), Internal)
	f(context.Canceled, Canceled)
	f(fmt.Errorf("dial: %w", context.DeadlineExceeded), Timeout)
	f(&fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}, NotFound)
	f(fmt.Errorf("write: %w", syscall.ENOSPC), NoSpace)
	f(fmt.Errorf("outer: %w", New(Conflict, "taken")), Conflict)
	f(Wrap(Unavailable, New(NotFound, "inner"), "outer"), Unavailable) // the outermost decides
}

func TestSideOf(t *testing.T) {
	inner := New(Unavailable, "runner died").On(Ollama)
	if got := SideOf(Wrap(Unavailable, inner, "chat")); got != Ollama {
		t.Errorf("SideOf = %v, want the first side that the chain names", got)
	}
	if got := SideOf(errors.New("plain")); got != Ours {
		t.Errorf("SideOf(plain) = %v, want ours", got)
	}
}

func TestRetryAfterOf(t *testing.T) {
	full := New(Unavailable, "the queue is full").After(7 * time.Second)
	f := func(err error, want time.Duration) {
		t.Helper()
		if got := RetryAfterOf(err); got != want {
			t.Errorf("RetryAfterOf(%v) = %v, want %v", err, got, want)
		}
	}
	f(nil, 0)
	f(errors.New("plain"), 0)
	f(New(Unavailable, "away"), 0)
	f(fmt.Errorf("chat: %w", full), 7*time.Second)
	f(Wrap(Unavailable, full, "chat"), 7*time.Second)                  // the outer one has no advice of its own
	f(Wrap(Unavailable, full, "chat").After(time.Second), time.Second) // the outermost advice counts
	if full.On(Host).RetryAfter != full.RetryAfter || full.Kind != Unavailable {
		t.Errorf("the advice and the rest don't go together: %+v", full.On(Host))
	}
}

func TestMessageNeverLeaksTheCause(t *testing.T) {
	err := fmt.Errorf("list keys: %w", Wrap(Internal, errors.New("/var/lib/secret"), ""))
	if msg := MessageOf(err); strings.Contains(msg, "secret") {
		t.Errorf("MessageOf shows the cause: %q", msg)
	}
	err = fmt.Errorf("chat: %w", Wrap(NotFound, errors.New("no row"), "no model %q", "llama3"))
	if msg := MessageOf(err); msg != `no model "llama3"` {
		t.Errorf("MessageOf = %q", msg)
	}
}

// What another process said is not said once for each that it passed.
func TestASentenceIsNotRepeated(t *testing.T) {
	const says = "the file is damaged"
	for want, err := range map[string]error{
		says:                                Wrap(Corrupt, New(Corrupt, says), says),
		says + ": EOF":                      Wrap(Corrupt, Wrap(Corrupt, errors.New("EOF"), says), says),
		says + ": " + says + " by somebody": Wrap(Corrupt, errors.New(says+" by somebody"), says),
	} {
		if err.Error() != want {
			t.Errorf("it says %q, want %q", err, want)
		}
	}
}
