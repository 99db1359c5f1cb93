package router

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/router/breaker"
	"github.com/corral-fleet/corral/sdk/fault"
)

var unreachable = fault.New(fault.Unavailable, "the host could not be reached").On(fault.Host)

// refuses is a host that can't be reached.
func refuses() (*fleet.Answer, error) { return nil, unreachable }

// says returns how a host answers that answers like this, and its bodies.
func says(status int, text string, end error) (func() (*fleet.Answer, error), *[]*body) {
	var bodies []*body
	return func() (*fleet.Answer, error) {
		b := &body{Reader: strings.NewReader(text), end: end}
		bodies = append(bodies, b)
		return &fleet.Answer{Status: status, Length: -1, Body: b}, nil
	}, &bodies
}

// two is a lab with two hosts, of which the first is asked first, and fails.
func two(fail func() (*fleet.Answer, error)) *lab {
	l := newLab(&hosts{fails: map[string]func() (*fleet.Answer, error){"h1": fail}})
	l.join("h1", tiny())
	l.join("h2", tiny())
	return l
}

func chatCall() fleet.Call {
	return fleet.Call{Method: "POST", Path: "/api/chat", Body: []byte(chatBody)}
}

func TestWhatFailsBeforeItsFirstByteIsSentToAnotherHost(t *testing.T) {
	dead, deadBodies := says(500, `{"error":"llama runner process has terminated: exit status 2"}`, nil)
	broken, brokenBodies := says(200, "", fault.New(fault.Unavailable, "broken").On(fault.Ollama))
	busy, busyBodies := says(503, `{"error":"server busy, please try again.  maximum pending requests exceeded"}`, nil)
	for name, c := range map[string]struct {
		fail   func() (*fleet.Answer, error)
		bodies *[]*body
	}{
		"unreachable":        {refuses, &[]*body{}},
		"a dead runner":      {dead, deadBodies},
		"broken at once":     {broken, brokenBodies},
		"a full queue there": {busy, busyBodies},
	} {
		t.Run(name, func(t *testing.T) {
			l := two(c.fail)
			answer, err := l.Forward(t.Context(), "tiny", chatCall())
			if err != nil {
				t.Fatal(err)
			}
			if text, err := io.ReadAll(answer.Body); string(text) != answered || err != nil {
				t.Errorf("read %q, %v", text, err)
			}
			answer.Body.Close()
			if l.hosts.reached() != "h1 h2" || answer.Target.HostID != "h2" {
				t.Errorf("it reached %s, and %s answered", l.hosts.reached(), answer.Target.HostID)
			}
			for _, b := range *c.bodies {
				if b.closed != 1 {
					t.Errorf("the first answer was closed %d times", b.closed)
				}
			}
			if diff := cmp.Diff([]ending{{How: fleet.Answered}}, l.meter.ended); diff != "" || l.meter.begun != 1 {
				t.Errorf("%d begun (-want +got)\n%s", l.meter.begun, diff)
			}
			d, err := l.Decision(answer.Decision)
			if err != nil || len(d.Candidates) != 2 || d.Candidates[1].Why != refusedTried {
				t.Errorf("the decision is %+v, %v", d, err)
			}
			l.wantIdle(t)
		})
	}
}

func TestWhatIsNotSentAgain(t *testing.T) {
	wrong, _ := says(400, `{"error":"tiny does not support thinking"}`, nil)
	begun, _ := says(200, "half of it", errors.New("broken"))
	for name, c := range map[string]struct {
		fail func() (*fleet.Answer, error)
		call fleet.Call
	}{
		"what is wrong everywhere": {wrong, chatCall()},
		"what has begun":           {begun, chatCall()},
		"what has an effect":       {refuses, fleet.Call{Method: "POST", Path: "/api/pull"}},
		"a body that is gone":      {refuses, fleet.Call{Method: "POST", Path: "/api/chat", Stream: strings.NewReader("x")}},
	} {
		t.Run(name, func(t *testing.T) {
			l := two(c.fail)
			answer, err := l.Forward(t.Context(), "tiny", c.call)
			if err == nil {
				io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
			}
			if l.hosts.reached() != "h1" {
				t.Errorf("it reached %s", l.hosts.reached())
			}
			l.wantIdle(t)
		})
	}
}

func TestWhereNobodyElseIsTheFailureStands(t *testing.T) {
	const words = `{"error":"llama runner process has terminated: exit status 2"}`
	dead, bodies := says(500, words, nil)
	l := two(dead)
	l.hosts.fails["h2"] = dead
	answer, err := l.Forward(t.Context(), "tiny", chatCall())
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(answer.Body); string(text) != words || err != nil || answer.Status != 500 {
		t.Errorf("%d %q, %v", answer.Status, text, err)
	}
	answer.Body.Close()
	if l.hosts.reached() != "h1 h2" || len(*bodies) != 2 || (*bodies)[0].closed != 1 || (*bodies)[1].closed != 1 {
		t.Errorf("it reached %s", l.hosts.reached())
	}
	l.wantIdle(t)
}

func TestAHostThatKeepsFailingIsLeftAloneAndTriedAgain(t *testing.T) {
	l := newLab(&hosts{err: unreachable})
	l.join("h1", tiny())
	for range 20 {
		if _, err := l.Forward(t.Context(), "tiny", chatCall()); err == nil {
			t.Fatal("it was answered")
		}
	}
	if got, want := len(l.hosts.calls), breaker.Defaults().Run; got != want {
		t.Errorf("it was tried %d times, want %d", got, want)
	}
	l.hosts.err = nil // it is well again
	l.now = l.now.Add(time.Hour)
	for range 3 {
		answer := l.ask(t, "tiny")
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
	l.wantIdle(t)
}

func TestAnInstanceThatWasStartedAnewBeginsAnew(t *testing.T) {
	l := newLab(&hosts{err: unreachable})
	l.join("h1", tiny())
	for range 20 {
		if _, err := l.Forward(t.Context(), "tiny", chatCall()); err == nil {
			t.Fatal("it was answered")
		}
	}
	l.hosts.err = nil
	if _, err := l.Forward(t.Context(), "tiny", chatCall()); err == nil {
		t.Error("it was asked before its pause was over")
	}
	l.report("h1", fleet.Instance{Models: []fleet.HostModel{tiny()}, StartedAt: noon()})
	l.ask(t, "tiny").Body.Close()
	l.wantIdle(t)
}

func TestWhereAllKeepFailingTheCallerIsToldWhenToComeBack(t *testing.T) {
	l := two(refuses)
	l.hosts.fails["h2"] = refuses
	var err error
	for range 40 {
		_, err = l.Forward(t.Context(), "tiny", chatCall())
	}
	if fault.KindOf(err) != fault.Unavailable || fault.RetryAfterOf(err) != retrySoon {
		t.Errorf("error is %v, after %v", err, fault.RetryAfterOf(err))
	}
	l.wantIdle(t)
}
