package relay

import (
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// respond turns an answer into a response. It waits for the first bytes, so that
// an answer that breaks off before them still gets a status. It calls over once
// the answer is closed.
func (r *Relay) respond(e Endpoint, answer *fleet.Answer, over func()) (*edge.Response, error) {
	resp := &edge.Response{Status: answer.Status, Header: AnswerHeader(answer.Target, answer.Decision)}
	var checked bool
	for _, f := range answer.Fields {
		switch {
		case strings.EqualFold(f.Name, "Content-Type"):
			resp.Header = append(resp.Header, edge.HeaderField{Name: "Content-Type", Value: f.Value})
			checked = isStream(f.Value)
		case strings.EqualFold(f.Name, "Retry-After"):
			resp.Header = append(resp.Header, edge.HeaderField{Name: "Retry-After", Value: f.Value})
		}
	}
	s := &stream{relay: r, endpoint: e, answer: answer, over: over, checked: checked, watch: watch{ending: e.Ending}}
	if checked {
		resp.Header = append(resp.Header, edge.HeaderField{Name: "X-Accel-Buffering", Value: "no"})
	}
	n, err := s.prime()
	switch {
	case err == io.EOF && n == 0 && !checked: // an answer without a body
		return e.bodyless(resp, answer), s.Close()
	case err != nil && n == 0:
		// The reader of the body has told what went wrong; closing adds nothing.
		_ = s.Close()
		return nil, Explained(&fleet.DecidedError{Decision: answer.Decision, Err: s.explain(err)})
	}
	resp.Stream = s
	if answer.Length > 0 && !checked {
		resp.StreamBytes = answer.Length
	}
	return resp, nil
}

// bodyless gives an error without words some. Ollama has been seen to answer
// with a bare 500 to a model that it can't run.
func (e *Endpoint) bodyless(resp *edge.Response, answer *fleet.Answer) *edge.Response {
	if answer.Status < 400 {
		return resp
	}
	worded := e.pass(answer.Status, "Ollama on host "+strconv.Quote(answer.Target.Host)+
		" answered with status "+strconv.Itoa(answer.Status)+" and no reason")
	worded.Header = append(worded.Header, AnswerHeader(answer.Target, answer.Decision)...)
	return worded
}

// isStream reports whether a body of this type comes piece by piece, and says at
// its end that it is whole.
func isStream(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.TrimSpace(media)
	return media == "application/x-ndjson" || media == "text/event-stream"
}

// explain returns the error of an answer that broke off. Who left or was too
// slow is told as it is, and so is what this server itself has ended.
func (s *stream) explain(cause error) error {
	if kind := fault.KindOf(cause); kind == fault.Canceled || kind == fault.Timeout {
		return cause
	}
	if own, ok := errors.AsType[*fault.Error](cause); ok && own.Side == fault.Ours {
		return cause
	}
	if cause == io.EOF {
		cause = io.ErrUnexpectedEOF
	}
	return fault.Wrap(fault.Unavailable, cause, "the answer from host %q broke off before its end", s.answer.Target.Host).
		On(fault.SideOf(cause))
}
