package fleet

import (
	"context"
	"io"
)

// Field is one header field of a call or an answer.
type Field struct {
	Name, Value string
}

// Call is one HTTP request to an instance's Ollama.
type Call struct {
	Method string
	Path   string // of Ollama's own API, with its query
	Fields []Field
	Body   []byte
	// Stream, where it is not nil, is the body in place of Body. It is read once,
	// piece by piece, so such a call can't be made again. A read that fails ends
	// the call; one that hangs is for whoever gave the stream to end.
	Stream      io.Reader
	StreamBytes int64 // the length of Stream, -1 when it is not known
	From        Origin
	Place       *Place // hears of a wait in line; nil where nobody asks
}

// Answer is what an instance's Ollama answered. Body must be closed; closing it
// early stops whatever the Ollama does for it.
type Answer struct {
	Status int
	Fields []Field
	Length int64 // of Body in bytes, -1 when it is not known
	Body   io.ReadCloser
	Target Target
	// Decision is the id of the [Decision] that sent the call to Target; empty
	// where nobody decided.
	Decision string
	Model    string // the name that the instance has for the model, where one was picked
	Renamed  bool   // the instance was asked by that name, which is not the caller's
	Digest   string // of that model
	// End keeps the end of Body as it is read; nil where nobody counts.
	End *AnswerEnd
}

// Outcome is how a call ended.
type Outcome uint8

// The outcomes.
const (
	Answered Outcome = iota + 1 // the whole answer was read
	Failed                      // refused, broken off, or never answered
	GivenUp                     // nobody wanted the rest of the answer
)

// Target is an instance on a host.
type Target struct {
	HostID   string
	Host     string // its name
	Instance string
}

// Caller sends calls to instances. An instance that can't be reached is
// fault.Unavailable on the host's side. Its methods may be called concurrently.
type Caller interface {
	Call(ctx context.Context, to Target, call Call) (*Answer, error)
}

// Forwarder sends calls to an instance that holds a model.
type Forwarder interface {
	// Forward picks an instance that serves the model and sends the call there.
	// A model that no host holds is fault.NotFound; one whose hosts are all
	// away, draining or failing is fault.Unavailable.
	Forward(ctx context.Context, model string, call Call) (*Answer, error)
}
