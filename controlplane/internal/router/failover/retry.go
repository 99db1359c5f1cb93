package failover

import (
	"slices"
	"strings"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// Request is what has to be known of a request to decide whether it is sent again.
type Request struct {
	Repeatable bool      // to repeat it does no more than to send it once; see [Repeatable]
	BodyHeld   bool      // the whole body can be sent again
	Deadline   time.Time // zero without one
}

// Attempt is what became of one attempt.
type Attempt struct {
	Blame Blame
	Began bool // something of the answer has reached the client
}

// Reason says why a request is sent again, or is not.
type Reason string

// The reasons, in the order in which they are looked at.
const (
	NothingFailed Reason = "nothing_failed"
	CallersDoing  Reason = "callers_doing"
	RequestsFault Reason = "requests_fault"
	Unclassified  Reason = "unclassified"
	AnswerBegan   Reason = "answer_began"
	HasEffect     Reason = "has_effect"
	BodyGone      Reason = "body_gone"
	AttemptsSpent Reason = "attempts_spent"
	TimeSpent     Reason = "time_spent"
	BudgetSpent   Reason = "budget_spent"
	AnotherTry    Reason = "another_try"
)

// Again reports whether the request is sent again.
func (r Reason) Again() bool { return r == AnotherTry }

// Retry decides after an attempt that ended in last, and notes its instance in
// tried. Where the request is to be sent again, it has been taken from the
// budget, and goes to an instance that tried does not have; where there is none,
// the failure stands.
func (b *Budget) Retry(request Request, at fleet.Target, last Attempt, tried *Tried) Reason {
	tried.places = append(tried.places, placeOf(at))
	switch last.Blame {
	case BlameNone:
		return NothingFailed
	case BlameCaller:
		return CallersDoing
	case BlameRequest:
		return RequestsFault
	case BlameUnknown:
		return Unclassified
	case BlameInstance, BlameBusy:
	}
	limits := b.current()
	switch {
	case last.Began:
		return AnswerBegan
	case !request.Repeatable:
		return HasEffect
	case !request.BodyHeld:
		return BodyGone
	case tried.Attempts() > limits.Further:
		return AttemptsSpent
	case !request.Deadline.IsZero() && request.Deadline.Sub(b.now()) < limits.LeastTime:
		return TimeSpent
	case !b.take():
		return BudgetSpent
	}
	return AnotherTry
}

// Tried are the instances that a request was sent to. The zero value is of a
// request that has not been sent yet. It belongs to one goroutine.
type Tried struct {
	places []place
}

// place is an instance on a host, whatever the host is called just now.
type place struct {
	hostID, instance string
}

func placeOf(t fleet.Target) place { return place{t.HostID, t.Instance} }

// Attempts returns how often the request was sent.
func (t *Tried) Attempts() int { return len(t.places) }

// Has reports whether the request was sent to this instance.
func (t *Tried) Has(at fleet.Target) bool { return slices.Contains(t.places, placeOf(at)) }

// Repeatable reports whether a call of Ollama's API may be sent twice: it only
// reads, or it computes an answer that nobody has seen anything of yet. Anything
// that this does not know may have an effect.
func Repeatable(method, path string) bool {
	if method == "GET" || method == "HEAD" {
		return true
	}
	path, _, _ = strings.Cut(path, "?")
	switch path {
	case "/api/generate", "/api/chat", "/api/embed", "/api/embeddings", "/api/show",
		"/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/messages":
		return method == "POST"
	}
	return false
}
