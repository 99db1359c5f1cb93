package waiting

import (
	"io"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Patience is how long a client waits without a word: for the head of a stream,
// and between two signs of life.
const Patience = 10 * time.Second

// Options are what a stream is made with.
type Options struct {
	Form     Form
	Model    string                               // as the client calls it
	Position func() int                           // in the queue, 0 outside of it; called by Read
	Now      func() time.Time                     // the clock
	After    func(time.Duration) <-chan time.Time // as time.After
}

// Stream is the body of an answer that has not come yet. It gives a sign of life
// at once and then every [Patience], and goes on with the answer when that comes.
// Read and Close belong to one goroutine at a time.
type Stream struct {
	options Options
	answers <-chan Answer
	giveUp  func()

	begun  bool // the first sign was given
	came   bool // the answer did
	answer Answer
	rest   []byte    // to be read before anything else
	from   io.Reader // what comes once rest is read
}

// NewStream returns a stream that waits for one answer. Whoever sends it must do
// so soon after giveUp was called, with an error if need be; giveUp is called by
// Close. An answer's error is told to the client, and is the sender's to log.
func NewStream(o Options, answers <-chan Answer, giveUp func()) *Stream {
	return &Stream{options: o, answers: answers, giveUp: giveUp}
}

// Read implements io.Reader. It waits for the answer however long that takes,
// returning with each sign of life. An answer that is fault.Canceled is returned
// as the error that it is, since nobody is left to be told.
func (s *Stream) Read(p []byte) (int, error) {
	for len(s.rest) == 0 {
		if s.came {
			return s.from.Read(p)
		}
		s.wait()
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// wait waits for the answer or the time of the next sign of life.
func (s *Stream) wait() {
	if !s.begun {
		s.begun = true
		select {
		case a := <-s.answers:
			s.take(a)
		default:
			s.sign()
		}
		return
	}
	select {
	case a := <-s.answers:
		s.take(a)
	case <-s.options.After(Patience):
		s.sign()
	}
}

func (s *Stream) sign() {
	s.rest = s.options.Form.sign(s.options.Model, s.options.Position(), s.options.Now())
}

// take goes on with the answer.
func (s *Stream) take(a Answer) {
	s.came, s.answer = true, a
	if fault.KindOf(a.Err) == fault.Canceled {
		s.from = failing{a.Err}
	} else if s.rest = a.failure(s.options.Form); s.rest == nil {
		s.from = a.Body
	} else {
		s.from = failing{io.EOF}
	}
}

// failing is a reader that has nothing but an error.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Close implements io.Closer. It ends the wait, and closes the answer also when
// that comes only now.
func (s *Stream) Close() error {
	s.giveUp()
	if !s.came {
		s.came, s.answer, s.from = true, <-s.answers, failing{io.ErrClosedPipe}
	}
	return s.answer.close()
}
