package relay_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
)

func TestAnAnswerSaysTheNameThatWasAskedFor(t *testing.T) {
	const (
		tool  = `{"model":"tiny:q4","message":{"tool_calls":[{"function":{"arguments":{"model":"tiny:q4"}}}]},"done":false}` + "\n"
		prod  = `{"model":"prod","message":{"tool_calls":[{"function":{"arguments":{"model":"tiny:q4"}}}]},"done":false}` + "\n"
		end   = `{"model":"tiny:q4","message":{"content":""},"done":true}` + "\n"
		over  = `{"model":"prod","message":{"content":""},"done":true}` + "\n"
		chunk = `data: {"id":"x","object":"chat.completion.chunk","model":"tiny:q4","choices":[]}` + "\n\n"
	)
	for name, c := range map[string]struct {
		endpoint    relay.Endpoint
		mime        string
		asked, body string
		want        string
	}{
		"a stream":               {native(), ndjson, "prod", tool + end, prod + over},
		"a stream of completion": {completions(), sse, "prod", chunk + "data: [DONE]\n\n", strings.Replace(chunk, "tiny:q4", "prod", 1) + "data: [DONE]\n\n"},
		"in the caller's case":   {native(), ndjson, "PROD", end, strings.Replace(over, "prod", "PROD", 1)},
		"one object":             {native(), "application/json", "prod", strings.TrimSpace(end), strings.TrimSpace(over)},
		"cut within the name":    {native(), "application/json", "prod", end + `{"model":"tin`, over + `{"model":"tin`},
		"nothing to rename":      {native(), "application/json", "prod", `{"models":"tiny:q4","model":"other"}`, `{"models":"tiny:q4","model":"other"}`},
		"by id":                  {native(), ndjson, fleet.ModelID("tiny:q4"), end, end},
		"by digest":              {native(), ndjson, "prod@sha256:d1", end, end},
	} {
		t.Run(name, func(t *testing.T) {
			for cut, reader := range map[string]func(io.Reader) io.Reader{
				"whole": func(r io.Reader) io.Reader { return r }, "by halves": iotest.HalfReader, "byte by byte": iotest.OneByteReader, "with its end": iotest.DataErrReader,
			} {
				s := serve(t, c.endpoint, func(context.Context, string, fleet.Call) (*fleet.Answer, error) {
					answer := relaytest.Answer(200, c.mime, c.body)
					answer.Body = io.NopCloser(reader(strings.NewReader(c.body)))
					answer.Model, answer.Renamed = "tiny:q4", true
					return answer, nil
				})
				got := s.Do(edge.Infer, "POST", c.endpoint.Path, `{"model":"`+c.asked+`","stream":true}`)
				if got.Status != 200 || got.Body != c.want || got.Err != nil {
					t.Errorf("%s: %d %v\n%s\nwant\n%s", cut, got.Status, got.Err, got.Body, c.want)
				}
			}
		})
	}
}
