package relay

import (
	"bytes"
	"context"
	"io"
	"strings"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay/waiting"
	"github.com/corral-fleet/corral/sdk/fault"
)

// outcome is what came of asking.
type outcome struct {
	resp *edge.Response
	err  error
}

// patiently asks for a stream, and returns the answer if it begins within
// [waiting.Patience]. Else it returns a stream that gives signs of life until the
// answer comes, and then goes on with that.
func (r *Relay) patiently(ctx context.Context, a *asking, form waiting.Form) (*edge.Response, error) {
	outcomes := make(chan outcome, 1)
	go func() {
		resp, err := r.ask(ctx, a)
		outcomes <- outcome{resp, err}
	}()
	patience := time.NewTimer(waiting.Patience)
	defer patience.Stop()
	select {
	case got := <-outcomes:
		return got.resp, got.err
	case <-patience.C:
	}
	header := form.Header()
	if position := a.place.Position(); position > 0 {
		header = append(header, waiting.QueueHeader(position, waiting.Patience)...)
	}
	answers := make(chan waiting.Answer, 1)
	go func() { answers <- r.late(a, <-outcomes) }()
	return &edge.Response{Header: header, Stream: waiting.NewStream(waiting.Options{
		Form: form, Model: a.body.Model, Position: a.place.Position, Now: time.Now, After: time.After,
	}, answers, a.cancel)}, nil
}

// late is an answer that comes when its status has been told already.
func (r *Relay) late(a *asking, got outcome) waiting.Answer {
	switch {
	case got.err != nil:
		if kind := fault.KindOf(got.err); kind != fault.Canceled {
			r.log.Warn("request failed after a wait", "path", a.endpoint.Path, "model", a.body.Model, "error", got.err)
		}
		return waiting.Answer{Err: got.err}
	case got.resp.Stream == nil:
		return waiting.Answer{Status: got.resp.Status, Body: io.NopCloser(bytes.NewReader(got.resp.Body))}
	}
	return waiting.Answer{Status: got.resp.Status, Body: got.resp.Stream}
}

// form returns the protocol of an endpoint's stream, and false where it has none
// in which a wait can be told.
func (e *Endpoint) form() (waiting.Form, bool) {
	switch e.Ending {
	case OllamaEnding:
		if strings.HasSuffix(e.Path, "/generate") {
			return waiting.Generate, true
		}
		return waiting.Chat, true
	case OpenAIEnding, ResponsesEnding:
		return waiting.OpenAI, true
	case AnthropicEnding:
		return waiting.Anthropic, true
	case ProgressEnding:
	}
	return 0, false
}

// queued returns the fields that tell of a wait in line, none where there was none.
func queued(place *fleet.Place) []edge.HeaderField {
	came, waited := place.Waited()
	if came == 0 {
		return nil
	}
	return waiting.QueueHeader(came, waited)
}
