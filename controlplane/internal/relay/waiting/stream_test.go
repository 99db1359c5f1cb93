package waiting

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
	"github.com/corral-fleet/corral/sdk/fault"
)

// lab is a stream with a clock that the test moves.
type lab struct {
	*Stream
	answers chan Answer
	ticks   chan time.Time // one is taken by each wait
	waits   []time.Duration
	gaveUp  bool
}

func newLab(f Form) *lab {
	l := &lab{answers: make(chan Answer, 1), ticks: make(chan time.Time, 10)}
	position := 4
	l.Stream = NewStream(Options{
		Form: f, Model: `a "b"`,
		Position: func() int { position--; return position },
		Now:      func() time.Time { return time.Date(2026, 11, 23, 16, 16, 20, 105413157, time.FixedZone("", 3600)) },
		After: func(d time.Duration) <-chan time.Time {
			l.waits = append(l.waits, d)
			return l.ticks
		},
	}, l.answers, func() { l.gaveUp = true })
	return l
}

// body is an answer's body that knows whether it was closed.
type body struct {
	io.Reader
	closed int
}

func (b *body) Close() error {
	b.closed++
	return nil
}

func newBody(s string) *body { return &body{Reader: strings.NewReader(s)} }

// read reads once.
func (l *lab) read(t *testing.T) string {
	t.Helper()
	p := make([]byte, 1<<10)
	n, err := l.Read(p)
	if err != nil {
		t.Fatal(err)
	}
	return string(p[:n])
}

const chatSign = `{"model":"a \"b\"","created_at":"2026-11-23T15:16:20.105413157Z","message":{"role":"assistant","content":""},"done":false}` + "\n"

// signs are the first signs of life of each form; at the third the request is
// next, and at the fourth no longer in the queue.
func signs() map[Form][]string {
	const generate = `{"model":"a \"b\"","created_at":"2026-11-23T15:16:20.105413157Z","response":"","done":false}` + "\n"
	const ping = "event: ping\ndata: {\"type\":\"ping\"}\n\n"
	return map[Form][]string{
		Chat:      {chatSign, chatSign, chatSign, chatSign},
		Generate:  {generate, generate, generate, generate},
		OpenAI:    {": waiting, position 3\n\n", ": waiting, position 2\n\n", ": waiting, position 1\n\n", ": waiting\n\n"},
		Anthropic: {ping, ping, ping, ping},
	}
}

func TestSignsOfLifeAndThenTheAnswer(t *testing.T) {
	for form, want := range signs() {
		l := newLab(form)
		var got []string
		for i := range want {
			if i > 0 {
				l.ticks <- time.Time{}
			}
			got = append(got, l.read(t))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("form %d: %s", form, diff)
		}
		if diff := cmp.Diff([]time.Duration{Patience, Patience, Patience}, l.waits); diff != "" {
			t.Errorf("form %d waited: %s", form, diff)
		}
		answer := newBody("data: {\"x\":1}\n\n")
		l.answers <- Answer{Status: 200, Body: answer}
		rest, err := io.ReadAll(l)
		if err != nil || string(rest) != "data: {\"x\":1}\n\n" {
			t.Errorf("form %d: %q, %v", form, rest, err)
		}
		if err := l.Close(); err != nil || answer.closed != 1 || !l.gaveUp {
			t.Errorf("form %d: closed %d times, %v", form, answer.closed, err)
		}
		events := parse(t, form, strings.Join(got, ""))
		if n := map[Form]int{Chat: 4, Generate: 4, Anthropic: 4}[form]; len(events) != n {
			t.Errorf("form %d: %d events, want %d", form, len(events), n)
		}
	}
}

// An answer that is there when the stream begins needs no sign before it.
func TestAnAnswerAtOnce(t *testing.T) {
	l := newLab(Chat)
	l.answers <- Answer{Status: 200, Body: newBody("{}\n")}
	if err := iotest.TestReader(l, []byte("{}\n")); err != nil {
		t.Error(err)
	}
}

// A reader with little room gets a sign in parts.
func TestSmallReads(t *testing.T) {
	l := newLab(Chat)
	l.answers = nil
	if got, err := io.ReadAll(io.LimitReader(iotest.OneByteReader(l), int64(len(chatSign)))); err != nil || string(got) != chatSign {
		t.Errorf("%q, %v", got, err)
	}
}

func TestErrorsAreToldInTheStream(t *testing.T) {
	away := fault.Wrap(fault.Unavailable, errors.New("dial"), "the host is away")
	for name, c := range map[string]struct {
		answer Answer
		want   map[Form]string
	}{
		"ours": {Answer{Err: away}, map[Form]string{
			Chat:      `{"error":"the host is away"}` + "\n",
			OpenAI:    `data: {"error":{"code":"unavailable","message":"the host is away","param":null,"type":"api_error"}}` + "\n\n",
			Anthropic: "event: error\ndata: " + `{"error":{"message":"the host is away","type":"api_error"},"type":"error"}` + "\n\n",
		}},
		"Ollama's": {Answer{Status: 400, Body: newBody("{\n  \"error\": \"no\nt\"\n}")}, map[Form]string{
			Generate: `{"error":"Ollama answered with status 400 and no reason"}` + "\n",
		}},
		"Ollama's, over lines": {Answer{Status: 500, Body: newBody("{\r\n  \"error\": {\n\"message\": \"out of memory\"}}\n")}, map[Form]string{
			OpenAI: `data: {"error":{"message":"out of memory"}}` + "\n\n",
		}},
		"without words": {Answer{Status: 500, Body: newBody("")}, map[Form]string{
			Chat: `{"error":"Ollama answered with status 500 and no reason"}` + "\n",
		}},
		"nothing at all": {Answer{}, map[Form]string{
			Chat: `{"error":"something went wrong inside the server; its log has the cause"}` + "\n",
		}},
	} {
		for form, want := range c.want {
			l := newLab(form)
			first := l.read(t)
			l.answers <- c.answer
			rest, err := io.ReadAll(l)
			if err != nil || string(rest) != want {
				t.Errorf("%s, form %d: %v\ngot  %q\nwant %q", name, form, err, rest, want)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			parse(t, form, first+string(rest))
			if b, ok := c.answer.Body.(*body); ok && b.closed == 0 {
				t.Errorf("%s: the body was left open", name)
			}
		}
	}
}

// Nobody is told of an answer that nobody wants any more.
func TestCanceled(t *testing.T) {
	l := newLab(Chat)
	l.answers <- Answer{Err: context.Canceled}
	if n, err := l.Read(make([]byte, 10)); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d, %v", n, err)
	}
}

// A client that leaves while it waits ends the wait; what comes late is closed.
func TestCloseBeforeTheAnswer(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	answers, late := make(chan Answer), newBody("late")
	go func() {
		<-ctx.Done()
		answers <- Answer{Status: 200, Body: late}
	}()
	s := NewStream(Options{Position: func() int { return 1 }, Now: time.Now, After: time.After}, answers, cancel)
	if _, err := s.Read(make([]byte, 500)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil || late.closed != 1 {
		t.Errorf("closed %d times, %v", late.closed, err)
	}
	if _, err := s.Read(make([]byte, 1)); err == nil {
		t.Error("can be read after its end")
	}
}

// Over a real connection the head and a sign arrive before there is an answer.
func TestThroughTheEdge(t *testing.T) {
	answers := make(chan Answer, 1)
	s := relaytest.Serve(t, []edge.Route{{
		Method: "POST", Path: "/v1/chat/completions", Permission: edge.Infer, Dialect: edge.OpenAI, Watch: true,
		Handler: func(ctx context.Context, _ *edge.Request) (*edge.Response, error) {
			_, cancel := context.WithCancel(ctx)
			o := Options{Form: OpenAI, Position: func() int { return 3 }, Now: time.Now, After: time.After}
			return &edge.Response{
				Header: append(OpenAI.Header(), QueueHeader(5, 10500*time.Millisecond)...),
				Stream: NewStream(o, answers, cancel),
			}, nil
		},
	}})
	resp := s.Open(t.Context(), edge.Infer, "POST", "/v1/chat/completions", "{}")
	defer resp.Body.Close()
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" ||
		resp.Header.Get(PositionField) != "5" || resp.Header.Get(WaitField) != "10.500" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	r := bufio.NewReader(resp.Body)
	if line, err := r.ReadString('\n'); err != nil || line != ": waiting, position 3\n" {
		t.Errorf("%q, %v", line, err)
	}
	answers <- Answer{Status: 200, Body: newBody("data: {}\n\ndata: [DONE]\n\n")}
	rest, err := io.ReadAll(r)
	if err != nil || string(rest) != "\ndata: {}\n\ndata: [DONE]\n\n" {
		t.Errorf("%q, %v", rest, err)
	}
}
