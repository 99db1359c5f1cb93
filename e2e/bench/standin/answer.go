package standin

import (
	"io"
	"time"
)

// words are the pieces of an answer, in turn. None needs escaping in JSON.
var words = [...]string{"The", " quick", " brown", " fox", " jumps", " over", " the", " lazy", " dog."}

// promptTokens is how many tokens every prompt is said to have.
const promptTokens = 13

// answer makes one generation piece by piece. It is an io.Reader whose every
// Read returns at most one piece: the server writes what one Read returned as
// one chunk, and flushes it.
type answer struct {
	dialect dialect
	model   string // as the caller wrote it
	tokens  int
	reason  string // why it ends: stop or length
	delay   time.Duration
	started time.Time
	stop    <-chan struct{}
	paced   *paced // nil unless the answer keeps a pace

	sent  int    // pieces made
	ended bool   // the last line was made
	line  []byte // the piece's line, reused
	rest  []byte // what of line was not read yet
}

func (s *Server) newAnswer(d dialect, a ask, started time.Time, stop <-chan struct{}) *answer {
	ans := &answer{
		dialect: d, model: a.Model, tokens: s.options.Tokens, reason: "stop",
		delay: s.options.Delay, started: started, stop: stop, line: make([]byte, 0, 512),
	}
	if n := a.Options.NumPredict; n > 0 && n < ans.tokens {
		ans.tokens, ans.reason = n, "length"
	}
	return ans
}

// Read returns the next piece. After a stop it fails, which cuts the
// connection before the last line.
func (a *answer) Read(p []byte) (int, error) {
	if len(a.rest) == 0 {
		if a.ended {
			return 0, io.EOF
		}
		if !a.next() {
			return 0, io.ErrUnexpectedEOF
		}
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// Close gives back what an answer holds that keeps a pace. It may be called
// more than once.
func (a *answer) Close() error {
	if a.paced != nil {
		a.paced.wheel.leave(a.paced.turn)
	}
	return nil
}

// next renders the next line, and reports false when stopped.
func (a *answer) next() bool {
	if a.sent == a.tokens {
		a.line = a.dialect.appendEnd(a.line[:0], a, "", time.Now())
		a.rest, a.ended = a.line, true
		return true
	}
	if !a.pause() {
		return false
	}
	text := words[a.sent%len(words)]
	if a.paced != nil {
		text = a.paced.text(a.sent)
	}
	a.line = a.dialect.appendPiece(a.line[:0], a.model, text, time.Now())
	a.rest = a.line
	a.sent++
	return true
}

// whole returns the answer as one body, or nil when stopped.
func (a *answer) whole() []byte {
	var text []byte
	for ; a.sent < a.tokens; a.sent++ {
		if !a.pause() {
			return nil
		}
		text = append(text, words[a.sent%len(words)]...)
	}
	return a.dialect.appendWhole(nil, a, string(text), time.Now())
}

// pause waits for the time of one token, and reports false when stopped.
func (a *answer) pause() bool {
	if a.paced != nil {
		return a.paced.await(a.sent, a.stop)
	}
	if a.delay == 0 {
		return true
	}
	timer := time.NewTimer(a.delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-a.stop:
		return false
	}
}
