package usage

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// shelf is a store that can be made to fail.
type shelf struct {
	mu       sync.Mutex
	fails    error
	rows     []fleet.UsageRow
	appended chan struct{} // a place for each append, failed or not
	deleted  time.Time
	wiped    int
}

func (s *shelf) AppendUsage(_ context.Context, rows []fleet.UsageRow) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.appended <- struct{}{}:
	default:
	}
	if s.fails == nil {
		s.rows = append(s.rows, rows...)
	}
	return s.fails
}

func (s *shelf) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = err
}

func (s *shelf) UsageRows(context.Context, fleet.UsageFilter, fleet.UsagePlace, int) ([]fleet.UsageRow, fleet.UsagePlace, error) {
	return nil, fleet.UsagePlace{}, errors.New("nobody reads here")
}

func (s *shelf) UsageTotals(context.Context, fleet.UsageFilter, fleet.UsageGroup, int) ([]fleet.UsageTotal, error) {
	return nil, errors.New("nobody reads here")
}

func (s *shelf) LastUses(context.Context, time.Time) ([]fleet.LastUse, error) {
	return nil, errors.New("nobody reads here")
}

func (s *shelf) Capture(context.Context, string) (fleet.Capture, error) {
	return fleet.Capture{}, errors.New("nobody reads here")
}

func (s *shelf) DeleteCaptures(context.Context) error {
	s.wiped++
	return nil
}

func (s *shelf) DeleteUsageBefore(_ context.Context, t time.Time) error {
	s.deleted = t
	return nil
}

// hosts answers every call with a body.
type hosts struct {
	answer fleet.Answer
	body   io.Reader
	err    error
}

func (h *hosts) Forward(context.Context, string, fleet.Call) (*fleet.Answer, error) {
	if h.err != nil {
		return nil, h.err
	}
	a := h.answer
	a.End = &fleet.AnswerEnd{}
	a.Body = &kept{io.NopCloser(h.body), a.End}
	return &a, nil
}

// kept is a body whose end is kept, as the router does it.
type kept struct {
	io.ReadCloser
	end *fleet.AnswerEnd
}

func (k *kept) Read(p []byte) (int, error) {
	n, err := k.ReadCloser.Read(p)
	k.end.Add(p[:n])
	return n, err
}

func newLedger(next fleet.Forwarder, store fleet.UsageStore) *Ledger {
	clock := noon()
	return New(Options{
		Next: next, Store: store, Retention: func() time.Duration { return 48 * time.Hour }, Captures: func() bool { return false }, Log: hclog.NewNullLogger(),
		Now: func() time.Time { clock = clock.Add(10 * time.Millisecond); return clock },
	})
}

const (
	token = `{"model":"tiny","message":{"content":"\"total_duration\":1,\"eval_count\":99}"},"done":false}` + "\n"
	last  = `{"model":"tiny","message":{"content":""},"done":true,"done_reason":"stop","total_duration":9000000,"load_duration":1500000,` +
		`"prompt_eval_count":9,"prompt_eval_duration":209791,"eval_count":15,"eval_duration":500000000}` + "\n"
	event = "data: {\"choices\":[]}\n\n"
)

// What is kept of an answer, by its end.
func TestRequestsAreNoted(t *testing.T) {
	reset := fault.New(fault.Unavailable, "reset").On(fault.Host)
	type noted struct {
		Outcome, Error string
		Prompt         *int64
		Generated      *int64
		Load, First    *float64
		PerSecond      *float64
	}
	counted := func(outcome string, prompt, generated int64) noted {
		return noted{Outcome: outcome, Prompt: &prompt, Generated: &generated}
	}
	native := counted("answered", 9, 15)
	native.Load, native.PerSecond = new(1.5), new(30.0)
	streamed := native
	streamed.First = new(10.0)
	atOnce := func(n noted) noted { n.First = new(10.0); return n }
	for name, c := range map[string]struct {
		path   string
		stream bool
		status int
		body   string
		end    error
		leaves bool // before the end
		want   noted
	}{
		"a stream":                 {"/api/chat", true, 200, token + last, nil, false, streamed},
		"whole, then a reset":      {"/api/chat", true, 200, token + last, reset, false, streamed},
		"one object":               {"/api/chat", false, 200, last, nil, false, native},
		"with a long context":      {"/api/generate", false, 200, `{"done":true,"context":[` + strings.Repeat("1,", 9999) + `1],` + last[strings.Index(last, `"total_duration"`):], nil, false, native},
		"tool calls behind":        {"/api/generate", false, 200, strings.TrimSuffix(last, "}\n") + `,"tool_calls":[{"function":{"arguments":{"eval_count":7}}}]}`, nil, false, native},
		"numbers in an argument":   {"/api/chat", false, 200, `{"message":{"tool_calls":[{"function":{"arguments":{"eval_count":7}}}]},"done":true}`, nil, false, noted{Outcome: "answered"}},
		"loading alone":            {"/api/chat", false, 200, `{"message":{"content":""},"done":true,"done_reason":"load"}`, nil, false, noted{Outcome: "answered"}},
		"a stream that breaks off": {"/api/chat", true, 200, token, nil, false, atOnce(noted{Outcome: "failed", Error: "unavailable"})},
		"a reset":                  {"/api/chat", true, 200, token, reset, false, atOnce(noted{Outcome: "failed", Error: "unavailable"})},
		"a client that leaves":     {"/api/chat", true, 200, token, nil, true, atOnce(noted{Outcome: "given_up"})},
		"a refusal":                {"/api/chat", true, 400, `{"error":"x"}`, nil, false, noted{Outcome: "failed", Error: "invalid"}},
		"embeddings":               {"/api/embed", false, 200, `{"embeddings":[[1]],"total_duration":5,"load_duration":1000,"prompt_eval_count":1}`, nil, false, noted{Outcome: "answered", Prompt: new(int64(1)), Load: new(0.001)}},
		"a completion":             {"/v1/chat/completions", false, 200, `{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}`, nil, false, counted("answered", 9, 2)},
		"a streamed completion":    {"/v1/chat/completions", true, 200, event + `data: {"usage":{"prompt_tokens":9,"completion_tokens":2}}` + "\n\ndata: [DONE]\n\n", nil, false, atOnce(counted("answered", 9, 2))},
		"one that does not count":  {"/v1/chat/completions", true, 200, event + "data: [DONE]\n\n", nil, false, atOnce(noted{Outcome: "answered"})},
		"one that is cut":          {"/v1/completions", true, 200, `data: {"usage":{"prompt_tokens":0,"completion_tokens":0}}` + "\n\n", nil, false, atOnce(noted{Outcome: "failed", Error: "unavailable"})},
		"a response": {"/v1/responses", true, 200, "event: response.completed\ndata: " + `{"response":{"metadata":{},"text":"` + strings.Repeat("word ", 400) +
			`","usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":0},"output_tokens":2}},"type":"response.completed"}` + "\n\n", nil, false, atOnce(counted("answered", 9, 2))},
		"a message": {"/v1/messages", true, 200, "event: message_delta\ndata: " + `{"usage":{"input_tokens":9,"output_tokens":2}}` +
			"\n\nevent: message_stop\ndata: {}\n\n", nil, false, atOnce(counted("answered", 9, 2))},
	} {
		t.Run(name, func(t *testing.T) {
			body := io.Reader(strings.NewReader(c.body))
			if c.end != nil {
				body = io.MultiReader(body, failing{c.end})
			}
			l := newLedger(&hosts{answer: fleet.Answer{Status: c.status, Length: -1}, body: body}, &shelf{})
			call := fleet.Call{Path: c.path}
			if c.stream {
				call.Fields = []fleet.Field{{Name: wire.StreamField, Value: "1"}}
			}
			answer, err := l.Forward(t.Context(), "tiny", call)
			if err != nil {
				t.Fatal(err)
			}
			piece := make([]byte, 100)
			for err == nil {
				if _, err = answer.Body.Read(piece); c.leaves {
					break
				}
			}
			for range 2 { // closing twice is closing once
				if err := answer.Body.Close(); err != nil {
					t.Fatal(err)
				}
			}
			row := (<-l.ended).row()
			got := noted{row.Outcome, row.Error, row.Prompt, row.Generated, row.LoadMS, row.FirstMS, row.PerSecond}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if len(l.ended) != 0 {
				t.Error("the request was noted twice")
			}
		})
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestARowSaysWhoAskedAndWhoAnswered(t *testing.T) {
	h := &hosts{body: strings.NewReader(last), answer: fleet.Answer{
		Status: 200, Length: int64(len(last)), Target: fleet.Target{HostID: "h1", Host: "alpha", Instance: "default"},
		Decision: "d_1", Model: "tiny:latest", Digest: "abc",
	}}
	l := newLedger(h, &shelf{})
	answer, err := l.Forward(t.Context(), "tiny", fleet.Call{
		Path: "/api/chat", From: fleet.Origin{KeyID: "k1", KeyName: "my app", Dialect: "ollama"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := answer.Body.Read(make([]byte, len(last))); err != nil { // as far as the length goes
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	want := fleet.UsageRow{
		ID: "d_1", At: noon().Add(10 * time.Millisecond), KeyID: "k1", Key: "my app", Asked: "tiny", Model: "tiny:latest", Digest: "abc",
		HostID: "h1", Host: "alpha", Instance: "default", Dialect: "ollama", Route: "/api/chat", Outcome: "answered", TotalMS: 20,
	}
	got := (<-l.ended).row()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(fleet.UsageRow{}, "LoadMS", "Prompt", "Generated", "PerSecond")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestARequestThatGotNoAnswerIsNoted(t *testing.T) {
	for name, c := range map[string]struct {
		err                   error
		id, model, outcome, e string
	}{
		"no such model": {fault.New(fault.NotFound, "no").On(fault.Caller), "", "", "failed", "not_found"},
		"no host":       {fault.New(fault.Unavailable, "no").On(fault.Host), "", "tiny:latest", "failed", "unavailable"},
		"left":          {&fleet.DecidedError{Decision: "d_2", Err: context.Canceled}, "d_2", "tiny:latest", "given_up", "canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger(&hosts{err: c.err}, &shelf{})
			if _, err := l.Forward(t.Context(), "tiny@sha256:"+strings.Repeat("a", 999), fleet.Call{Path: "/api/generate"}); !errors.Is(err, c.err) {
				t.Fatal(err)
			}
			row := (<-l.ended).row()
			if row.Model != c.model || row.Outcome != c.outcome || row.Error != c.e || len(row.Asked) != maxAskedBytes ||
				c.id != "" && row.ID != c.id || row.ID == "" {
				t.Errorf("%+v", row)
			}
		})
	}
}

func TestWhatRunsNoModelIsNotNoted(t *testing.T) {
	l := newLedger(&hosts{err: io.EOF}, &shelf{})
	_, _ = l.Forward(t.Context(), "tiny", fleet.Call{Path: "/api/show"})
	if len(l.ended) != 0 {
		t.Error("a look at a model was noted")
	}
}

func TestNobodyWaitsForTheWriter(t *testing.T) {
	l := newLedger(&hosts{err: io.EOF}, &shelf{})
	for range maxEnded + 5 { // and nobody runs
		_, _ = l.Forward(t.Context(), "tiny", fleet.Call{Path: "/api/chat"})
	}
	if l.Lost() != 5 {
		t.Errorf("%d are lost, want 5", l.Lost())
	}
}

// What could not be stored is stored later, and what is left when the server ends.
func TestRunStoresEverything(t *testing.T) {
	s := &shelf{appended: make(chan struct{}, 1), fails: errors.New("the disk is full")}
	l := newLedger(&hosts{err: io.EOF}, s)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	ask := func(times int) {
		for range times {
			_, _ = l.Forward(t.Context(), "tiny", fleet.Call{Path: "/api/chat"})
		}
	}
	ask(2)
	go func() { ended <- l.Run(ctx) }()
	<-s.appended // and failed
	s.fail(nil)
	<-s.appended
	ask(3)
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if len(s.rows) != 5 || l.Lost() != 0 {
		t.Errorf("%d are stored and %d lost, want 5 and none", len(s.rows), l.Lost())
	}
	if age := noon().Sub(s.deleted); age < 47*time.Hour || age > 48*time.Hour {
		t.Errorf("what is older than %v was deleted, want two days", age)
	}
}
