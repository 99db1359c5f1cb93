package live

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/sdk/fault"
)

// session is a connection whose client has proved who it is.
type session struct {
	member

	live    *Live
	caller  edge.Caller
	end     context.CancelFunc
	places  chan struct{} // one for each question that may be open at once
	running sync.WaitGroup
}

// open greets a client and lets it hear what is pushed. The context that it
// returns ends with the session; the caller must close the session. Gone, when
// it is not nil, ends it too.
func (l *Live) open(ctx context.Context, s *edge.Socket, f framing, caller edge.Caller, gone <-chan struct{}) (*session, context.Context) {
	ctx, end := context.WithCancel(ctx)
	n := &session{
		member: member{socket: s, framing: f},
		live:   l, caller: caller, end: end, places: make(chan struct{}, maxQuestions),
	}
	n.muted.Store(uint32(onDemand))
	if gone != nil {
		n.running.Go(func() { n.follow(ctx, gone) })
	}
	// Strings and a time can always be encoded. A socket that is closed already
	// says so to its reader.
	data, _ := encode(struct {
		ServerTime time.Time `json:"server_time"`
		Permission string    `json:"permission"`
		Events     []string  `json:"events"`
		Topics     []string  `json:"topics"`
	}{l.now().UTC(), caller.May.String(), eventNames(), heard(uint32(onDemand))})
	_ = s.Send(edge.TextMessage(f.greeting("Connected to Corral", data)))
	l.hub.join(&n.member)
	return n, ctx
}

// follow ends the session when its key is revoked.
func (s *session) follow(ctx context.Context, gone <-chan struct{}) {
	select {
	case <-gone:
		s.socket.Close(edge.ClosePolicy, edge.ErrRevoked.Error())
		s.end()
	case <-ctx.Done():
	}
}

// close ends what the session does; nothing of it is left when it returns.
func (s *session) close() {
	s.live.hub.leave(&s.member)
	s.end()
	s.running.Wait()
}

// answer says what a request brought forth; there is one answer to each.
func (s *session) answer(r request, event string, v any) error {
	data, err := encode(v)
	if err != nil {
		return err
	}
	return s.socket.Send(edge.TextMessage(s.framing.answer(event, data, r)))
}

// failure is the data of an error event.
type failure struct {
	Event *string `json:"event"` // nil when the frame did not tell
	Code  string  `json:"code"`
	Error string  `json:"error"`
}

func failureOf(event string, err error) failure {
	f := failure{Code: fault.KindOf(err).String(), Error: fault.MessageOf(err)}
	if event != "" {
		f.Event = &event
	}
	return f
}

// fail answers a request that failed. What the client can't be told goes to the log.
func (s *session) fail(r request, err error) {
	if fault.KindOf(err) == fault.Internal {
		s.live.log.Error("event failed", "event", r.event, "caller", s.caller.ID, "error", err)
	}
	// On a closed socket there is nobody left to tell.
	_ = s.answer(r, "error", failureOf(r.event, err))
}

// reply answers with what read returns.
func (s *session) reply(r request, event string, read func() (json.RawMessage, error)) error {
	data, err := read()
	if err != nil {
		return err
	}
	return s.answer(r, event, data)
}

// tell says something about a request before its answer.
func (s *session) tell(r request, event string, v any) error {
	data, err := encode(v)
	if err != nil {
		return err
	}
	return s.socket.Send(edge.TextMessage(s.framing.event(event, data, r)))
}
