package agentlink

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire"
)

func (a *agent) target(instance string) fleet.Target {
	return fleet.Target{HostID: a.id(), Host: "alpha", Instance: instance}
}

func post(path string) fleet.Call {
	return fleet.Call{Method: "POST", Path: path, Fields: []fleet.Field{{Name: "X-Ask", Value: "please"}}, Body: []byte("hello")}
}

// wantFault checks an error's kind and side.
func wantFault(t *testing.T, err error, kind fault.Kind, side fault.Side) {
	t.Helper()
	if fault.KindOf(err) != kind || fault.SideOf(err) != side {
		t.Errorf("error is %v (%v, %v), want %v, %v", err, fault.KindOf(err), fault.SideOf(err), kind, side)
	}
}

func TestACallReachesTheInstance(t *testing.T) {
	l, a := connected(t)
	for range 3 { // over a kept stream
		answer, err := l.Call(t.Context(), a.target("default"), post("/api/chat"))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil || answer.Body.Close() != nil || string(body) != "echo hello" {
			t.Errorf("body %q, error %v", body, err)
		}
		answer.Body = nil
		want := &fleet.Answer{
			Status: 201, Length: 10, Target: a.target("default"),
			Fields: []fleet.Field{{Name: "X-Asked", Value: "POST please"}, {Name: "Content-Length", Value: "10"}},
		}
		if diff := cmp.Diff(want, answer); diff != "" {
			t.Errorf("answer (-want +got)\n%s", diff)
		}
	}
}

// A body may come from a stream, of a length that is known or not.
func TestABodyFromAStream(t *testing.T) {
	l, a := connected(t)
	for _, length := range []int64{5, -1} {
		call := fleet.Call{Method: "POST", Path: "/api/chat", Stream: strings.NewReader("hello"), StreamBytes: length}
		answer, err := l.Call(t.Context(), a.target("default"), call)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil || answer.Body.Close() != nil || string(body) != "echo hello" {
			t.Errorf("length %d: body %q, error %v", length, body, err)
		}
	}
}

// A stream that breaks off is no fault of the host.
func TestAStreamThatBreaksOff(t *testing.T) {
	l, a := connected(t)
	broken := fault.New(fault.Invalid, "the body broke off").On(fault.Caller)
	call := fleet.Call{Method: "POST", Path: "/api/chat", Stream: io.MultiReader(strings.NewReader("hel"), iotest.ErrReader(broken)), StreamBytes: -1}
	_, err := l.Call(t.Context(), a.target("default"), call)
	wantFault(t, err, fault.Invalid, fault.Caller)
	l.wantUnused(t, a)
}

func TestAnInstanceIsOnePartOfThePath(t *testing.T) {
	l, a := connected(t)
	answer, err := l.Call(t.Context(), a.target("a b/c"), fleet.Call{Method: "GET", Path: "/"})
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil || string(body) != "root" || answer.Body.Close() != nil {
		t.Errorf("body %q, error %v", body, err)
	}
}

func TestLogsAreAskedFor(t *testing.T) {
	l, a := connected(t)
	answer, err := l.Logs(t.Context(), a.target("default"), 10, true)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.Status != 200 || string(body) != "a line\n" || answer.Body.Close() != nil {
		t.Errorf("status %d, body %q, error %v", answer.Status, body, err)
	}
}

func TestAnAgentsOwnRefusalIsAnError(t *testing.T) {
	l, a := connected(t)
	_, err := l.Call(t.Context(), a.target("gone"), post("/api/chat"))
	wantFault(t, err, fault.NotFound, fault.Host)
	if got := fault.MessageOf(err); got != `there is no instance "gone"` {
		t.Errorf("the message is %q", got)
	}
	_, err = l.Call(t.Context(), a.target("dead"), post("/api/chat"))
	wantFault(t, err, fault.Unavailable, fault.Ollama)
	l.wantUnused(t, a)
}

// wantUnused checks that nothing counts as a use of an agent's session.
func (l *lab) wantUnused(t *testing.T, a *agent) {
	t.Helper()
	s, err := l.session(a.id())
	if err != nil {
		t.Fatal(err)
	}
	if n := s.busy.Load(); n != 0 {
		t.Errorf("%d calls and actions count as under way", n)
	}
}

func TestAHostThatIsNotConnectedIsUnavailable(t *testing.T) {
	l := newLab(t)
	_, err := l.Call(t.Context(), fleet.Target{HostID: "h_nobody"}, post("/api/chat"))
	wantFault(t, err, fault.Unavailable, fault.Host)
	wantFault(t, l.Refresh(t.Context(), "h_nobody", "default"), fault.Unavailable, fault.Host)
	l.Disconnect("h_nobody") // is nothing
}

func TestAnAnswerThatBreaksOffIsTheHosts(t *testing.T) {
	l, a := connected(t)
	answer, err := l.Call(t.Context(), a.target("default"), post("/broken"))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	wantFault(t, err, fault.Unavailable, fault.Host)
	if string(body) != "half" {
		t.Errorf("body %q", body)
	}
	answer.Body.Close()
	answer.Body.Close() // counts once
	l.wantUnused(t, a)
}

func TestAnAskerMayLeaveAtAnyTime(t *testing.T) {
	l, a := connected(t)
	left := errors.New("the browser left")
	ctx, leave := context.WithCancelCause(t.Context())
	answer, err := l.Call(ctx, a.target("default"), post("/endless"))
	if err != nil {
		t.Fatal(err)
	}
	leave(left)
	if _, err := io.ReadAll(answer.Body); !errors.Is(err, left) {
		t.Errorf("reading ends with %v", err)
	}
	answer.Body.Close()
	if _, err := l.Call(ctx, a.target("default"), post("/silent")); !errors.Is(err, left) {
		t.Errorf("a call of somebody who has left ends with %v", err)
	}
	if err := l.Refresh(ctx, a.id(), "default"); !errors.Is(err, left) {
		t.Errorf("an action of somebody who has left ends with %v", err)
	}
	l.wantUnused(t, a)
}

func TestActionsAndTheirResults(t *testing.T) {
	l, a := connected(t)
	ended := make(chan error, 1)
	go func() { ended <- l.RestartInstance(t.Context(), a.id(), "default") }()
	action, ok := a.next().(*wire.Action)
	if !ok || action.Kind != wire.ActionRestartInstance || action.Instance != "default" {
		t.Fatalf("the agent is asked for %+v", action)
	}
	a.send(&wire.ActionResult{ID: action.ID + 1, Code: "conflict"}) // nobody's
	a.send(&wire.ActionResult{ID: action.ID, Code: "ok"})
	if err := receive(t, ended, "the result"); err != nil {
		t.Errorf("error is %v", err)
	}

	for code, want := range map[string]fault.Kind{"conflict": fault.Conflict, "internal": fault.Internal, "of a newer agent": fault.Internal} {
		go func() { ended <- l.Refresh(t.Context(), a.id(), "default") }()
		action, ok := a.next().(*wire.Action)
		if !ok || action.Kind != wire.ActionRefresh {
			t.Fatalf("the agent is asked for %+v", action)
		}
		a.send(&wire.ActionResult{ID: action.ID, Code: code, Message: "it said no"})
		err := receive(t, ended, "the result")
		wantFault(t, err, want, fault.Host)
		if fault.MessageOf(err) != "it said no" {
			t.Errorf("the message is %q", fault.MessageOf(err))
		}
	}
	l.wantUnused(t, a)
}

func TestTheEndOfASessionEndsWhatWaitsForIt(t *testing.T) {
	for name, end := range map[string]func(*lab, *agent){
		"the agent dies":     func(_ *lab, a *agent) { a.close() },
		"it is disconnected": func(l *lab, a *agent) { l.Disconnect(a.id()) },
		"the server ends":    func(l *lab, _ *agent) { l.stop() },
	} {
		t.Run(name, func(t *testing.T) {
			l, a := connected(t)
			reading, acting, calling := make(chan error, 1), make(chan error, 1), make(chan error, 1)
			answer, err := l.Call(t.Context(), a.target("default"), post("/endless"))
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				_, err := io.ReadAll(answer.Body)
				reading <- errors.Join(err, answer.Body.Close())
			}()
			go func() { acting <- l.RestartInstance(t.Context(), a.id(), "default") }()
			if _, ok := a.next().(*wire.Action); !ok {
				t.Fatal("no action came")
			}
			go func() {
				_, err := l.Call(t.Context(), a.target("default"), post("/silent"))
				calling <- err
			}()
			began := time.Now()
			end(l, a)
			for what, c := range map[string]chan error{"the answer": reading, "the action": acting, "the call": calling} {
				if err := receive(t, c, what); fault.KindOf(err) != fault.Unavailable || fault.SideOf(err) != fault.Host {
					t.Errorf("%s ends with %v", what, err)
				}
			}
			if took := time.Since(began); took > patience/4 {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestNoGoroutineIsLeft(t *testing.T) {
	l := newLab(t)
	var agents []*agent
	for range 5 {
		a := l.newAgent("alpha")
		a.handler = ollama
		a.connect()
		l.awaitState(a.id(), fleet.HostOnline)
		answer, err := l.Call(t.Context(), a.target("default"), post("/endless"))
		if err != nil {
			t.Fatal(err)
		}
		agents = append(agents, a)
		defer answer.Body.Close()
	}
	l.newAgent("silent").dial()
	if working() == "" {
		t.Fatal("nothing is seen that works for a session")
	}
	agents[0].close()
	l.stop()
	for _, a := range agents {
		a.close()
	}
	// What has returned may still be seen for a moment.
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(patience); working() != ""; <-poll.C {
		if time.Now().After(deadline) {
			t.Fatalf("what is left:\n%s", working())
		}
	}
}

// working returns the stacks of the goroutines that work for a link's sessions.
func working() string {
	all := make([]byte, 4<<20)
	var found []string
	for stack := range strings.SplitSeq(string(all[:runtime.Stack(all, true)]), "\n\n") {
		for _, part := range []string{"agentlink.(*Link)", "agentlink.(*session)", "/sdk/wire/"} {
			if strings.Contains(stack, part) {
				found = append(found, stack)
				break
			}
		}
	}
	return strings.Join(found, "\n\n")
}
