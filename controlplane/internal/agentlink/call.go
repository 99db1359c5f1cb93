package agentlink

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
	"github.com/corral-fleet/corral/sdk/wire/exchange"
)

// Call sends a call to an instance's Ollama.
func (l *Link) Call(ctx context.Context, to fleet.Target, call fleet.Call) (*fleet.Answer, error) {
	return l.exchange(ctx, to, wire.OllamaPath+url.PathEscape(to.Instance)+call.Path, call)
}

// Logs returns the last lines that an instance printed, and with follow those
// that it goes on to print, as text.
func (l *Link) Logs(ctx context.Context, to fleet.Target, lines int, follow bool) (*fleet.Answer, error) {
	target := wire.LogsPath + url.PathEscape(to.Instance) + "?lines=" + strconv.Itoa(lines) + "&follow=" + strconv.FormatBool(follow)
	return l.exchange(ctx, to, target, fleet.Call{Method: "GET"})
}

func (l *Link) exchange(ctx context.Context, to fleet.Target, target string, call fleet.Call) (*fleet.Answer, error) {
	s, err := l.session(to.HostID)
	if err != nil {
		return nil, err
	}
	req := exchange.Request{Method: call.Method, Target: target, Fields: make(exchange.Fields, len(call.Fields))}
	for i, f := range call.Fields {
		req.Fields[i] = exchange.Field(f)
	}
	switch {
	case call.Stream != nil:
		req.Body, req.Length = call.Stream, call.StreamBytes
	case call.Method != "GET" && call.Method != "HEAD":
		req.Body, req.Length = bytes.NewReader(call.Body), int64(len(call.Body))
	}
	s.busy.Add(1)
	res, err := s.calls.Do(ctx, &req)
	if err != nil {
		s.busy.Add(-1)
		return nil, unreachable(err)
	}
	body := &answerBody{ReadCloser: res.Body, session: s}
	if mark := res.Fields.Get(wire.FaultField); mark != "" {
		return nil, agentFault(mark, body)
	}
	answer := &fleet.Answer{Status: res.Status, Length: res.Length, Target: to, Body: body}
	answer.Fields = make([]fleet.Field, len(res.Fields))
	for i, f := range res.Fields {
		answer.Fields[i] = fleet.Field(f)
	}
	return answer, nil
}

func unreachable(err error) error {
	var e *exchange.Error
	if !errors.As(err, &e) {
		return err // the caller's own context
	}
	if own, ok := errors.AsType[*fault.Error](err); ok && e.Op == "write" {
		return own // of the stream that the call brought along
	}
	if e.Responded {
		return fault.Wrap(fault.Unavailable, err, "the host broke the answer off").On(fault.Host)
	}
	return fault.Wrap(fault.Unavailable, err, "the host could not be reached").On(fault.Host)
}

// agentFault reads an answer that the agent gave in Ollama's place.
func agentFault(mark string, body io.ReadCloser) error {
	message, err := io.ReadAll(io.LimitReader(body, 4<<10))
	err = errors.Join(err, body.Close())
	kind, side, _ := strings.Cut(mark, " ")
	f := fault.Wrap(fault.ParseKind(kind), err, "%s", message)
	if side == fault.Ollama.String() {
		return f.On(fault.Ollama)
	}
	return f.On(fault.Host)
}

// answerBody gives a broken answer's error its kind, and counts as a use of the
// session until it is closed.
type answerBody struct {
	io.ReadCloser
	session *session
	closed  bool
}

func (b *answerBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = unreachable(err)
	}
	return n, err
}

func (b *answerBody) Close() error {
	if !b.closed {
		b.closed = true
		b.session.busy.Add(-1)
	}
	return b.ReadCloser.Close()
}
