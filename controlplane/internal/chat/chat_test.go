package chat

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

const (
	hello    = `{"model":"tiny","message":{"role":"assistant","content":"Hello"},"done":false}` + "\n"
	musing   = `{"model":"tiny","message":{"role":"assistant","content":"","thinking":"hm"},"done":false}` + "\n"
	world    = `{"model":"tiny","message":{"role":"assistant","content":" world"},"done":false}` + "\n"
	finished = `{"model":"tiny","message":{"role":"assistant","content":"!"},"done":true,"eval_count":3}` + "\n"
)

// ollama answers with a status and what r has, and notes what it was asked.
type ollama struct {
	status int
	r      io.Reader
	err    error // instead of an answer

	model  string
	call   fleet.Call
	read   bool // to its end
	closed int
}

func (o *ollama) Forward(_ context.Context, model string, call fleet.Call) (*fleet.Answer, error) {
	o.model, o.call = model, call
	if o.err != nil {
		return nil, o.err
	}
	return &fleet.Answer{Status: max(o.status, 200), Length: -1, Body: o, Target: fleet.Target{HostID: "h1", Host: "alpha"}}, nil
}

func (o *ollama) Read(p []byte) (int, error) {
	n, err := o.r.Read(p)
	o.read = o.read || err == io.EOF
	return n, err
}

func (o *ollama) Close() error { o.closed++; return errors.New("closing never matters") }

// fromAlpha returns the pieces as that host's.
func fromAlpha(pieces ...Piece) []Piece {
	for i := range pieces {
		pieces[i].Target = fleet.Target{HostID: "h1", Host: "alpha"}
	}
	return pieces
}

// ask asks an Ollama and returns the pieces beside the rest.
func ask(t *testing.T, o *ollama) (*Reply, []Piece, error) {
	t.Helper()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := New(o, func() time.Time { now = now.Add(time.Second); return now })
	var pieces []Piece
	reply, err := s.Ask(t.Context(), Question{Message: "Say <hello>", Model: "m_tiny", KeyID: "k1", KeyName: "my app", Priority: 2}, func(p Piece) error {
		pieces = append(pieces, p)
		return nil
	})
	if o.err == nil && o.closed != 1 {
		t.Errorf("the answer was closed %d times", o.closed)
	}
	return reply, pieces, err
}

func TestAnAnswerComesInThePiecesThatOllamaSent(t *testing.T) {
	all := hello + "\n" + musing + world + finished // an empty line is none
	for name, r := range map[string]io.Reader{
		"at once":      strings.NewReader(all),
		"byte by byte": iotest.OneByteReader(strings.NewReader(all)),
		"with its end": iotest.DataErrReader(strings.NewReader(all)),
		"with \\r\\n":  strings.NewReader(strings.ReplaceAll(all, "\n", "\r\n")),
	} {
		t.Run(name, func(t *testing.T) {
			o := &ollama{r: r}
			reply, pieces, err := ask(t, o)
			if err != nil {
				t.Fatal(err)
			}
			want := &Reply{
				Message: "Hello world!", Model: "m_tiny", Tokens: 3, ResponseTime: time.Second,
				Target: fleet.Target{HostID: "h1", Host: "alpha"},
			}
			if diff := cmp.Diff(want, reply); diff != "" {
				t.Errorf("reply (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(fromAlpha(Piece{Text: "Hello"}, Piece{Thinking: "hm"}, Piece{Text: " world"}), pieces); diff != "" {
				t.Errorf("pieces (-want +got)\n%s", diff)
			}
			if !o.read {
				t.Error("the answer was not read to its end, so that the way to the host cannot be used again")
			}
		})
	}
}

func TestWhatOllamaIsAsked(t *testing.T) {
	o := &ollama{r: strings.NewReader(finished)}
	if _, _, err := ask(t, o); err != nil {
		t.Fatal(err)
	}
	var body ollamaChat
	if err := json.Unmarshal(o.call.Body, &body); err != nil {
		t.Fatal(err)
	}
	want := ollamaChat{Model: "m_tiny", Messages: []ollamaMessage{{Role: "user", Content: "Say <hello>"}}, Stream: true}
	if diff := cmp.Diff(want, body); diff != "" {
		t.Errorf("body (-want +got)\n%s", diff)
	}
	o.call.Body = nil
	wantCall := fleet.Call{Method: "POST", Path: "/api/chat", Fields: []fleet.Field{
		{Name: "Content-Type", Value: "application/json"}, {Name: "Corral-Stream", Value: "1"},
	}, From: fleet.Origin{KeyID: "k1", KeyName: "my app", Priority: 2, Dialect: "dashboard"}}
	if diff := cmp.Diff(wantCall, o.call); diff != "" || o.model != "m_tiny" {
		t.Errorf("model %q, call (-want +got)\n%s", o.model, diff)
	}
}

func TestAQuestionNeedsBothFields(t *testing.T) {
	for field, q := range map[string]Question{"message": {Model: "tiny"}, "model": {Message: "hello"}} {
		o := &ollama{r: strings.NewReader(finished)}
		_, err := New(o, time.Now).Ask(t.Context(), q, nil)
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), `"`+field+`"`) {
			t.Errorf("without %s: %v", field, err)
		}
		if o.model != "" {
			t.Errorf("without %s: asked all the same", field)
		}
	}
}

func TestAnErrorOfTheWayThereIsReturnedAsItIs(t *testing.T) {
	want := fault.New(fault.NotFound, "no such model")
	if _, _, err := ask(t, &ollama{err: want}); !errors.Is(err, want) {
		t.Errorf("error is %v", err)
	}
}

func TestAnAnswerThatBreaksOff(t *testing.T) {
	reset := fault.New(fault.Unavailable, "the host broke the answer off").On(fault.Host)
	for name, c := range map[string]struct {
		r    io.Reader
		kind fault.Kind
		side fault.Side
	}{
		"ends too early":   {strings.NewReader(hello), fault.Unavailable, fault.Ollama},
		"ends in a line":   {strings.NewReader(hello + `{"message":{"content":" wo`), fault.Unavailable, fault.Ollama},
		"cut before \\n":   {strings.NewReader(hello + strings.TrimSpace(finished)), fault.Unavailable, fault.Ollama},
		"not JSON":         {strings.NewReader(hello + "<html>\n"), fault.Unavailable, fault.Ollama},
		"a line too long":  {io.MultiReader(strings.NewReader(hello), endless{}), fault.Unavailable, fault.Ollama},
		"the host left":    {io.MultiReader(strings.NewReader(hello), iotest.ErrReader(reset)), fault.Unavailable, fault.Host},
		"the asker left":   {io.MultiReader(strings.NewReader(hello), iotest.ErrReader(context.Canceled)), fault.Canceled, fault.Ours},
		"this server goes": {io.MultiReader(strings.NewReader(hello), iotest.ErrReader(fault.New(fault.Unavailable, "we go"))), fault.Unavailable, fault.Ours},
		"out of time":      {io.MultiReader(strings.NewReader(hello), iotest.ErrReader(context.DeadlineExceeded)), fault.Timeout, fault.Ours},
	} {
		t.Run(name, func(t *testing.T) {
			reply, pieces, err := ask(t, &ollama{r: c.r})
			if fault.KindOf(err) != c.kind || fault.SideOf(err) != c.side {
				t.Errorf("error is %v (%v, %v), want %v, %v", err, fault.KindOf(err), fault.SideOf(err), c.kind, c.side)
			}
			if reply != nil {
				t.Errorf("a reply was returned: %+v", reply)
			}
			if diff := cmp.Diff(fromAlpha(Piece{Text: "Hello"}), pieces); diff != "" {
				t.Errorf("what came of it (-want +got)\n%s", diff)
			}
		})
	}
}

// endless is one line without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestWhatComesAfterTheEndDoesNotMatter(t *testing.T) {
	o := &ollama{r: io.MultiReader(strings.NewReader(hello+finished), iotest.ErrReader(io.ErrUnexpectedEOF))}
	if reply, _, err := ask(t, o); err != nil || reply.Message != "Hello!" {
		t.Errorf("reply %+v, error %v", reply, err)
	}
}

func TestAnErrorInTheMiddleOfAnAnswer(t *testing.T) {
	_, pieces, err := ask(t, &ollama{r: strings.NewReader(hello + `{"error":"CUDA out of memory"}` + "\n")})
	if fault.KindOf(err) != fault.Unavailable || fault.SideOf(err) != fault.Ollama {
		t.Errorf("error is %v", err)
	}
	if want := `Ollama on host "alpha": CUDA out of memory`; fault.MessageOf(err) != want {
		t.Errorf("the message is %q, want %q", fault.MessageOf(err), want)
	}
	if len(pieces) != 1 {
		t.Errorf("pieces: %v", pieces)
	}
}

func TestTheStatusDecidesTheKind(t *testing.T) {
	for status, want := range map[int]fault.Kind{
		400: fault.Invalid, 404: fault.NotFound, 413: fault.TooLarge, 501: fault.NotImplemented,
		500: fault.Unavailable, 503: fault.Unavailable, 302: fault.Unavailable, 429: fault.Unavailable,
	} {
		// Ollama's errors end without a newline.
		_, _, err := ask(t, &ollama{status: status, r: strings.NewReader(`{"error":"it said no"}`)})
		if fault.KindOf(err) != want || fault.MessageOf(err) != `Ollama on host "alpha": it said no` {
			t.Errorf("%d: %v (%v), want %v", status, err, fault.KindOf(err), want)
		}
	}
	for _, body := range []string{"", "404 page not found", "{}", `["error"]`, `{"error":{"deep":1}}`} {
		_, _, err := ask(t, &ollama{status: 404, r: strings.NewReader(body)})
		if fault.KindOf(err) != fault.NotFound || fault.MessageOf(err) != `Ollama on host "alpha": status 404` {
			t.Errorf("%q: %v", body, err)
		}
	}
	_, _, err := ask(t, &ollama{status: 404, r: iotest.ErrReader(io.ErrUnexpectedEOF)})
	if fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a refusal that breaks off: %v", err)
	}
}

func TestAnErrorOfOnPieceStopsTheGeneration(t *testing.T) {
	o := &ollama{r: io.MultiReader(strings.NewReader(hello), endless{})}
	gone, calls := errors.New("the browser left"), 0
	_, err := New(o, time.Now).Ask(t.Context(), Question{Message: "hello", Model: "tiny"}, func(Piece) error {
		calls++
		return gone
	})
	if !errors.Is(err, gone) || calls != 1 || o.closed != 1 || o.read {
		t.Errorf("error %v, %d calls, closed %d times, read to its end: %v", err, calls, o.closed, o.read)
	}
}
