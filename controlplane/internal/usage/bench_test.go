package usage

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/wire"
)

// pieces is a body that comes token by token, without cost of its own.
type pieces struct {
	left int
}

func (p *pieces) Read(dst []byte) (int, error) {
	if p.left--; p.left < 0 {
		return 0, io.EOF
	}
	if p.left == 0 {
		return copy(dst, last), nil
	}
	return copy(dst, token), nil
}

func (p *pieces) Close() error { return nil }

// answering answers with the same answer again and again.
type answering struct {
	answer fleet.Answer
	body   pieces
}

func (a *answering) Forward(context.Context, string, fleet.Call) (*fleet.Answer, error) {
	a.body.left = 64
	a.answer.Body = &a.body
	return &a.answer, nil
}

// conversation is one request of 64 tokens, and who takes what the ledger notes.
func conversation(tb testing.TB, noting, captures bool) func() {
	next := &answering{answer: fleet.Answer{Status: 200, Length: -1}}
	var forward fleet.Forwarder = next
	l := New(Options{Next: next, Store: &shelf{}, Captures: func() bool { return captures }, Now: time.Now, Log: hclog.NewNullLogger()})
	if noting {
		forward = l
	}
	call := fleet.Call{Path: "/api/chat", Body: make([]byte, 4<<10), Fields: []fleet.Field{{Name: wire.StreamField, Value: "1"}}}
	piece := make([]byte, 512)
	return func() {
		answer, err := forward.Forward(tb.Context(), "tiny", call)
		if err != nil {
			tb.Fatal(err)
		}
		for err == nil {
			_, err = answer.Body.Read(piece)
		}
		if err := answer.Body.Close(); err != nil {
			tb.Fatal(err)
		}
		if noting {
			(<-l.ended).capture.drop()
		}
	}
}

// BenchmarkRequest is a request of 64 tokens with and without a ledger, and with
// one that keeps what is asked and answered: the differences are what noting and
// keeping cost on the way of the answer.
func BenchmarkRequest(b *testing.B) {
	for _, c := range []struct {
		name             string
		noting, captures bool
	}{{"bare", false, false}, {"noted", true, false}, {"captured", true, true}} {
		b.Run(c.name, func(b *testing.B) {
			ask := conversation(b, c.noting, c.captures)
			b.ReportAllocs()
			for b.Loop() {
				ask()
			}
		})
	}
}

// BenchmarkRow is what the writer does for each request, off the way.
func BenchmarkRow(b *testing.B) {
	e := &exchange{path: "/api/chat", streamed: true, status: 200, asked: "tiny", began: noon(), ended: noon(), end: &fleet.AnswerEnd{}}
	e.end.Add([]byte(token + last))
	b.ReportAllocs()
	for b.Loop() {
		e.row()
	}
}

func TestNotingARequestAllocatesAtMostTwice(t *testing.T) {
	if n := testing.AllocsPerRun(100, conversation(t, true, false)); n > 2 {
		t.Errorf("%v allocations", n)
	}
}
