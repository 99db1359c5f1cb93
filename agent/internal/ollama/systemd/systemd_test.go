package systemd

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/agent/internal/ollama/systemd/systemdtest"
	"github.com/corral-fleet/corral/sdk/fault"
)

// patience is how long a test waits for what has to come.
const patience = 20 * time.Second

func deadline(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestJobs(t *testing.T) {
	s := systemdtest.Start(t)
	u := &Unit{Name: "played.service", Bus: s.Address}
	for _, do := range []func(context.Context) error{u.Start, u.Restart, u.Stop} {
		if err := do(deadline(t, patience)); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff([]string{"start", "restart", "stop"}, s.Jobs()); diff != "" {
		t.Error(diff)
	}
}

func TestJobsThatFail(t *testing.T) {
	for _, test := range []struct {
		refuse, result string
		kind           fault.Kind
		words          string
	}{
		{refuse: systemdtest.AccessDenied, kind: fault.Forbidden, words: "may not manage"},
		{refuse: systemdtest.AskTheUser, kind: fault.Forbidden, words: "may not manage"},
		{refuse: systemdtest.NoSuchUnit, kind: fault.NotFound, words: "there is no unit"},
		{refuse: systemdtest.UnitMasked, kind: fault.Conflict, words: "is masked"},
		{refuse: "org.example.Odd", kind: fault.Unavailable, words: "no, says the test"},
		{result: "failed", kind: fault.Unavailable, words: "it failed"},
		{result: "timeout", kind: fault.Unavailable, words: "too long"},
		{result: "canceled", kind: fault.Unavailable, words: "something different"},
		{result: "dependency", kind: fault.Unavailable, words: "a unit that it needs"},
		{result: "skipped", kind: fault.Unavailable, words: `"skipped"`},
	} {
		t.Run(test.refuse+test.result, func(t *testing.T) {
			s := systemdtest.Start(t)
			s.Refuse(test.refuse)
			s.Result(test.result)
			err := (&Unit{Name: "played.service", Bus: s.Address}).Start(deadline(t, patience))
			if fault.KindOf(err) != test.kind || fault.SideOf(err) != fault.Host || !strings.Contains(fault.MessageOf(err), test.words) {
				t.Errorf("%v of kind %v", err, fault.KindOf(err))
			}
		})
	}
}

func TestJobThatDoesNotEnd(t *testing.T) {
	s := systemdtest.Start(t)
	s.Result(systemdtest.Never)
	u := &Unit{Name: "played.service", Bus: s.Address}
	if err := u.Start(deadline(t, 200*time.Millisecond)); fault.KindOf(err) != fault.Timeout {
		t.Errorf("after its time: %v", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- u.Start(t.Context()) }()
	await(t, "the job is taken", func() bool { return len(s.Jobs()) == 2 })
	s.End()
	if err := <-ended; fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "was lost") {
		t.Errorf("without a bus: %v", err)
	}
	s.Begin()
}

func TestBusThatIsAwayOrSilent(t *testing.T) {
	away := &Unit{Name: "played.service", Bus: "unix:path=" + filepath.Join(t.TempDir(), "nobody")}
	if _, err := away.State(t.Context()); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("away: %v", err)
	}
	path := filepath.Join(t.TempDir(), "silent")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	silent := &Unit{Name: "played.service", Bus: "unix:path=" + path}
	began := time.Now()
	if _, err := silent.State(deadline(t, 300*time.Millisecond)); fault.KindOf(err) != fault.Unavailable || time.Since(began) > patience/2 {
		t.Errorf("silent: %v after %v", err, time.Since(began))
	}
}

// envFile is as systemd has it on the bus.
type envFile struct {
	Path     string
	Optional bool
}

func TestState(t *testing.T) {
	s := systemdtest.Start(t)
	started := time.Now().Truncate(time.Microsecond)
	s.Set(map[string]any{
		"ActiveState": "active", "SubState": "running", "MainPID": uint32(42), "NRestarts": uint32(3), "MemoryCurrent": uint64(7 << 20),
		"ExecMainStartTimestamp": uint64(started.UnixMicro()), "EnvironmentFiles": []envFile{{"/etc/a", true}, {"/b", false}}, "RestartUSec": uint64(2_000_000),
	})
	got, err := (&Unit{Name: "played.service", Bus: s.Address}).State(t.Context())
	if got.Asked.Before(started) {
		t.Errorf("systemd was asked at %v", got.Asked)
	}
	got.Asked = time.Time{}
	want := State{
		Load: "loaded", Active: "active", Sub: "running", Result: "success", MainPID: 42, Restarts: 3, MemoryBytes: 7 << 20,
		Started: started, Invocation: "abcd", EnvFiles: []string{"/etc/a", "/b"}, RestartIn: 2 * time.Second,
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	s.Set(map[string]any{"MemoryCurrent": ^uint64(0)})
	if got, err := (&Unit{Name: "played.service", Bus: s.Address}).State(t.Context()); err != nil || got.MemoryBytes != 0 {
		t.Errorf("memory that is not counted is %d, %v", got.MemoryBytes, err)
	}
}

func TestWatchGoesOnWhenTheBusIsBack(t *testing.T) {
	s := systemdtest.Start(t)
	type news struct {
		state State
		err   error
	}
	told := make(chan news, 100)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		(&Unit{Name: "played.service", Bus: s.Address, Poll: time.Hour}).Watch(ctx, func(state State, err error) { told <- news{state, err} })
	}()
	hear := func(what string, holds func(news) bool) {
		t.Helper()
		for end := time.After(patience); ; {
			select {
			case n := <-told:
				if holds(n) {
					return
				}
			case <-end:
				t.Fatalf("not told of %s", what)
			}
		}
	}
	hear("the first state", func(n news) bool { return n.state.Active == "inactive" })
	s.Set(map[string]any{"ActiveState": "active"})
	hear("a change", func(n news) bool { return n.state.Active == "active" })
	s.End()
	hear("the end of the bus", func(n news) bool { return fault.KindOf(n.err) == fault.Unavailable })
	s.Begin()
	hear("the bus that is back", func(n news) bool { return n.err == nil && n.state.Active == "active" })
	stop()
	<-ended
}

// journalctl is a program that stands in for the real one.
func journalctl(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journalctl")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFollow(t *testing.T) {
	args := filepath.Join(t.TempDir(), "args")
	u := &Unit{Name: "played.service", Journalctl: journalctl(t, `echo "$@" > `+args+`
cat <<'X'
{"__CURSOR":"c1","MESSAGE":"one","_SYSTEMD_INVOCATION_ID":"a"}
no JSON
{"__CURSOR":"c2","MESSAGE":[116,119,255,111],"_SYSTEMD_INVOCATION_ID":"a"}
{"__CURSOR":"c3","MESSAGE":"three","_SYSTEMD_INVOCATION_ID":"manager","INVOCATION_ID":"b"}
{"__CURSOR":"c4","MESSAGE":null}
X
exec sleep 1000
`)}
	var got []Entry
	ctx, cancel := context.WithCancel(t.Context())
	err := u.Follow(ctx, "c0", func(e Entry) error {
		if got = append(got, e); len(got) == 4 {
			cancel()
		}
		return nil
	})
	if err == nil || ctx.Err() == nil {
		t.Errorf("Follow = %v", err)
	}
	want := []Entry{
		{Message: "one", Invocation: "a", Cursor: "c1"},
		{Message: "tw\uFFFDo", Invocation: "a", Cursor: "c2"},
		{Message: "three", Invocation: "b", Cursor: "c3"},
		{Cursor: "c4"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	text, err := os.ReadFile(args)
	if words := strings.Fields(string(text)); err != nil || !slices.Contains(words, "--after-cursor=c0") || !slices.Contains(words, "--unit=played.service") {
		t.Errorf("it was called with %s, %v", text, err)
	}
}

func TestFollowWithoutAJournal(t *testing.T) {
	u := &Unit{Name: "played.service", Journalctl: journalctl(t, "echo no journal files were opened >&2; exit 1")}
	if err := u.Follow(t.Context(), "", func(Entry) error { return nil }); err == nil || !strings.Contains(err.Error(), "no journal files") {
		t.Errorf("Follow = %v", err)
	}
}

// await waits until something holds that nobody announces.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(patience); !holds(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not after %v: %s", patience, what)
		}
	}
}
