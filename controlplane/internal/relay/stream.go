package relay

import (
	"io"
	"slices"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// stream is an answer's body on its way to the client. It is read by one
// goroutine at a time.
type stream struct {
	relay    *Relay
	endpoint Endpoint
	answer   *fleet.Answer
	over     func() // called by Close
	checked  bool   // the body has to say that it is whole
	watch    watch

	rest  []byte // to be read before anything else
	ended error  // what comes once rest is read; nil while the body goes on
	first [firstBytes]byte
}

// firstBytes is how much of an answer is waited for: about a token's line.
const firstBytes = 512

// prime reads the first bytes.
func (s *stream) prime() (n int, err error) {
	for n == 0 && err == nil {
		n, err = s.answer.Body.Read(s.first[:])
	}
	if n > 0 {
		s.take(s.first[:n], err)
		s.rest = append(s.first[:n:n], s.rest...)
	}
	return n, err
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		if s.ended != nil {
			return 0, s.ended
		}
		n, err := s.answer.Body.Read(p)
		s.take(p[:n], err)
		if n > 0 || err == nil {
			return n, nil
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	if n == 0 {
		return 0, s.ended
	}
	return n, nil
}

// take notes what was read of the body, and decides what its end means.
func (s *stream) take(p []byte, err error) {
	if s.checked {
		s.watch.scan(p)
	}
	if err == nil {
		return
	}
	s.ended = err
	if !s.checked {
		return
	}
	if s.watch.finish(); s.watch.seen {
		s.ended = io.EOF // whole, however the connection ended afterwards
		return
	}
	cause := s.explain(err)
	if kind := fault.KindOf(cause); kind == fault.Canceled {
		return // nobody is left to be told
	}
	s.relay.log.Warn("answer broke off", "path", s.endpoint.Path,
		"host", s.answer.Target.Host, "instance", s.answer.Target.Instance, "error", cause)
	s.rest, s.ended = s.lastWords(cause), io.EOF
}

// lastWords are what a client is told in place of the end that did not come.
// They end the line that was cut off and, in an event stream, the event.
func (s *stream) lastWords(err error) []byte {
	before, after := "", "\n"
	switch s.endpoint.Dialect {
	case edge.OpenAI:
		before, after = "\ndata: ", "\n\n"
	case edge.Anthropic:
		before, after = "\nevent: error\ndata: ", "\n\n"
	}
	if s.watch.broken {
		before = "\n" + before
	}
	return slices.Concat([]byte(before), edge.ErrorBody(s.endpoint.Dialect, err), []byte(after))
}

// Close implements io.Closer: it ends the generation if that still goes on.
func (s *stream) Close() error {
	defer s.over()
	return s.answer.Body.Close()
}
