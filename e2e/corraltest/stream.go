package corraltest

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Stream is an answer that comes line by line and is read in the background. Its
// methods may be called concurrently.
type Stream struct {
	Status int
	Header http.Header

	caller *Caller
	cancel context.CancelFunc
	done   chan struct{} // closed at the answer's end

	mu    sync.Mutex
	lines []string // without the empty ones
	err   error    // why it ended, when it did not as it should
}

// Stream posts a body as JSON and returns when the answer has begun. It is
// closed at the end of the test.
func (c *Caller) Stream(path string, body any, header ...string) *Stream {
	c.T.Helper()
	ctx, cancel := context.WithCancel(c.T.Context())
	tooLong := time.AfterFunc(answerLimit, cancel)
	response, err := c.send(ctx, http.MethodPost, path, body, header...) //nolint:bodyclose // read closes it
	tooLong.Stop()
	if err != nil {
		cancel()
		c.T.Fatal(err)
	}
	s := &Stream{Status: response.StatusCode, Header: response.Header, caller: c, cancel: cancel, done: make(chan struct{})}
	go s.read(response.Body)
	c.T.Cleanup(s.Close)
	return s
}

func (s *Stream) read(body io.ReadCloser) {
	defer close(s.done)
	defer func() { _ = body.Close() }()
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if lines.Text() == "" {
			continue
		}
		s.mu.Lock()
		s.lines = append(s.lines, lines.Text())
		s.mu.Unlock()
	}
	s.mu.Lock()
	s.err = lines.Err()
	s.mu.Unlock()
}

// Close leaves, as a client does who closes the connection, and waits until
// nothing is read any more.
func (s *Stream) Close() {
	s.cancel()
	<-s.done
}

// Lines returns the lines that came so far, without the empty ones.
func (s *Stream) Lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clip(s.lines)
}

// AwaitLines waits until n lines came.
func (s *Stream) AwaitLines(limit time.Duration, n int) {
	s.caller.T.Helper()
	Await(s.caller.T, limit, "lines of a stream", func() error {
		if len(s.Lines()) >= n {
			return nil
		}
		if s.Ended() {
			s.caller.T.Fatalf("the stream ended (status %d, %v): %s", s.Status, s.Err(), strings.Join(s.Lines(), "\n"))
		}
		return errors.New("fewer came")
	})
}

// AwaitMore waits until lines come that were not there when it was called.
func (s *Stream) AwaitMore(limit time.Duration) {
	s.caller.T.Helper()
	s.AwaitLines(limit, len(s.Lines())+1)
}

// AwaitEnd waits for the answer's end and returns its last line and why it ended.
func (s *Stream) AwaitEnd(limit time.Duration) (last string, err error) {
	s.caller.T.Helper()
	select {
	case <-s.done:
	case <-time.After(limit):
		s.caller.T.Fatalf("the stream did not end within %v; it has %d lines", limit, len(s.Lines()))
	}
	if lines := s.Lines(); len(lines) > 0 {
		last = lines[len(lines)-1]
	}
	return last, s.Err()
}

// Ended reports whether the answer has ended.
func (s *Stream) Ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// Err returns why reading ended, nil when the answer ended as answers do.
func (s *Stream) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}
