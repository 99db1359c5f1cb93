package failover

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Blame says what a failure is to be put down to.
type Blame uint8

// What a failure can be put down to.
const (
	BlameNone     Blame = iota // nothing failed
	BlameCaller                // who asked left, or may not ask any more
	BlameRequest               // every instance would answer the same
	BlameInstance              // another instance may answer
	BlameBusy                  // the instance has more to do than it takes on; another may have less
	BlameUnknown               // nobody has classified it
)

// blameNames are the codes for logs and decisions; index is the blame.
var blameNames = [...]string{
	BlameNone: "none", BlameCaller: "caller", BlameRequest: "request", BlameInstance: "instance", BlameBusy: "busy", BlameUnknown: "unknown",
}

// String returns the blame's code, such as "instance".
func (b Blame) String() string {
	if int(b) < len(blameNames) {
		return blameNames[b]
	}
	return blameNames[BlameUnknown]
}

// OfError returns whom an error is to be blamed on that came instead of an
// answer, or in the middle of one. It goes by the error's side and kind: a
// deadline of ours is over for every instance, while one that an instance missed
// names that instance's side.
func OfError(err error) Blame {
	kind, side := fault.KindOf(err), fault.SideOf(err)
	switch {
	case err == nil:
		return BlameNone
	case kind == fault.Canceled || side == fault.Caller:
		return BlameCaller
	case kind == fault.Invalid || kind == fault.TooLarge:
		return BlameRequest
	case side == fault.Host || side == fault.Ollama:
		return BlameInstance
	case kind == fault.Timeout:
		return BlameRequest
	case kind == fault.Unavailable:
		return BlameInstance
	}
	return BlameUnknown
}

// MaxReasonBytes is how much of an error's body [OfAnswer] needs to see; what
// is cut off there may make the body no JSON any more.
const MaxReasonBytes = 4 << 10

// OfAnswer returns whom Ollama's answer is to be blamed on, by its status and
// the beginning of its body, which may be in any of the dialects that Ollama
// speaks. Ollama says 500 to much that is wrong with the request, so that the
// words decide; a 500 without any is what is left of a panic.
func OfAnswer(status int, body []byte) Blame {
	switch {
	case status < 400:
		return BlameNone
	case status == statusCanceled:
		return BlameCaller
	case status == 503:
		return BlameBusy
	case status < 500 || status == 501:
		return BlameRequest
	case status == 500 && blamesRequest(reason(body)):
		return BlameRequest
	}
	return BlameInstance
}

// statusCanceled is Ollama's, for a client that left while it was in the queue.
const statusCanceled = 499

// blamesRequest reports whether words that came with a 500 are about the
// request. They are those of Ollama 0.17; words that are not known here are
// taken to be about the instance, since one attempt more costs less than a
// failure that need not have been.
func blamesRequest(reason string) bool {
	reason = strings.ToLower(reason)
	for _, prefix := range [...]string{
		"invalid format:",
		"invalid json schema in format",
		"failed to create new sequence:", // the prompt or an image in it
		"failed to load model vocabulary required for format",
		"template:", // the model's own does not take the messages, or the caller's is none
		"option \"", // has a value of another type than it has to
	} {
		if strings.HasPrefix(reason, prefix) {
			return true
		}
	}
	for _, part := range [...]string{
		"exceeds the context length",
		"exceeds maximum context length",
		"keep exceeds context",
	} {
		if strings.Contains(reason, part) {
			return true
		}
	}
	return false
}

// reason returns what an error's body says. Ollama's own dialect has a string
// under "error", the others an object with a message. What is neither is taken
// as it stands.
func reason(body []byte) string {
	body = bytes.TrimSpace(body)
	var outer struct {
		Error json.RawMessage `json:"error"`
	}
	if json.Unmarshal(body, &outer) != nil {
		return string(body)
	}
	var words string
	if json.Unmarshal(outer.Error, &words) == nil {
		return words
	}
	var inner struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(outer.Error, &inner) == nil {
		return inner.Message
	}
	return string(body)
}
