package edge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/valyala/fasthttp"
)

// afterGrace is how long what was cancelled may take to end.
const afterGrace = 5 * time.Second

// wind ends everything in an order in which nobody loses what somebody else
// still needs: first the answers under way, which may come through an agent's
// link, then the sockets, then the links.
func (s *Server) wind(ctx context.Context, fast *fasthttp.Server, l *listener, endRequests, endSockets, endLinks context.CancelCauseFunc) error {
	grace, cancel := context.WithTimeout(ctx, s.grace)
	defer cancel()
	l.abortAll(isNew) // has sent nothing; fasthttp would wait seconds for it
	err := fast.ShutdownWithContext(grace)
	_ = l.Close() // fasthttp closes it, unless it had not begun to serve
	if errors.Is(err, context.DeadlineExceeded) {
		s.log.Warn("answers cut at shutdown", "requests", l.requests.count(), "grace", s.grace)
		err = nil
	}
	endRequests(ErrShutdown)
	endSockets(ErrShutdown)
	patience, impatient := context.WithTimeout(ctx, afterGrace)
	defer impatient()
	wait(patience, l.requests.zero())
	l.abortAll(isPlain)
	endLinks(ErrShutdown)
	wait(patience, l.upgraded.zero())
	l.abortAll(isAny)

	last, over := context.WithTimeout(ctx, time.Second)
	defer over()
	if !wait(last, l.requests.zero()) || !wait(last, l.upgraded.zero()) || !wait(last, l.open.zero()) {
		err = errors.Join(err, fmt.Errorf("%d requests, %d upgraded and %d other connections did not end in time",
			l.requests.count(), l.upgraded.count(), l.open.count()-l.upgraded.count()))
	}
	return err
}

// wait returns whether done was closed before patience ran out.
func wait(patience context.Context, done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-patience.Done():
		return false
	}
}

// isPlain holds for connections that serve requests rather than WebSockets.
func isPlain(c *conn) bool { return c.state.Load() != int32(fasthttp.StateHijacked) }
