package failover

import (
	"testing"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/fault"
)

// clock is a time that passes when it is told to.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func newBudget(t *testing.T, limits Limits) (*Budget, *clock) {
	t.Helper()
	c := &clock{at: time.Unix(1_700_000_000, 0)}
	b, err := NewBudget(limits, c.now)
	if err != nil {
		t.Fatal(err)
	}
	return b, c
}

func host(id string) fleet.Target {
	return fleet.Target{HostID: id, Host: "host " + id, Instance: "default"}
}

func TestRetry(t *testing.T) {
	limits := Defaults()
	spent := limits
	spent.Floor = 0
	failed := Attempt{Blame: BlameInstance}
	good := Request{Repeatable: true, BodyHeld: true}
	in := func(d time.Duration) time.Time { return time.Unix(1_700_000_000, 0).Add(d) }
	cases := []struct {
		name    string
		limits  Limits
		before  int // attempts
		request Request
		last    Attempt
		want    Reason
	}{
		{"the instance failed", limits, 0, good, failed, AnotherTry},
		{"the instance is busy", limits, 0, good, Attempt{Blame: BlameBusy}, AnotherTry},
		{"a second time", limits, 1, good, failed, AnotherTry},
		{"a third time", limits, 2, good, failed, AttemptsSpent},
		{"none allowed", Limits{Floor: 5, Window: time.Second}, 0, good, failed, AttemptsSpent},
		{"all went well", limits, 0, good, Attempt{}, NothingFailed},
		{"the client left", limits, 0, good, Attempt{Blame: BlameCaller}, CallersDoing},
		{"the request is wrong", limits, 0, good, Attempt{Blame: BlameRequest}, RequestsFault},
		{"nobody knows", limits, 0, good, Attempt{Blame: BlameUnknown}, Unclassified},
		{"the answer began", limits, 0, good, Attempt{Blame: BlameInstance, Began: true}, AnswerBegan},
		{"it has an effect", limits, 0, Request{BodyHeld: true}, failed, HasEffect},
		{"the body is gone", limits, 0, Request{Repeatable: true}, failed, BodyGone},
		{"time is left", limits, 0, Request{Repeatable: true, BodyHeld: true, Deadline: in(limits.LeastTime)}, failed, AnotherTry},
		{"no time is left", limits, 0, Request{Repeatable: true, BodyHeld: true, Deadline: in(limits.LeastTime - 1)}, failed, TimeSpent},
		{"its time is over", limits, 0, Request{Repeatable: true, BodyHeld: true, Deadline: in(-time.Hour)}, failed, TimeSpent},
		{"the budget is spent", spent, 0, good, failed, BudgetSpent},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b, _ := newBudget(t, c.limits)
			var tried Tried
			for range c.before {
				b.Retry(good, host("b"), failed, &tried)
			}
			if got := b.Retry(c.request, host("a"), c.last, &tried); got != c.want || got.Again() != (c.want == AnotherTry) {
				t.Errorf("Retry = %q, want %q", got, c.want)
			}
			if renamed := (fleet.Target{HostID: "a", Host: "renamed", Instance: "default"}); !tried.Has(renamed) || tried.Has(host("c")) {
				t.Errorf("tried are %v", tried)
			}
		})
	}
}

// TestBudgetOfADyingFleet fails every attempt of many requests.
func TestBudgetOfADyingFleet(t *testing.T) {
	limits := Defaults()
	b, c := newBudget(t, limits)
	requests, attempts := 0, 0
	for range 3000 { // a minute at 50 a second
		c.at = c.at.Add(20 * time.Millisecond)
		b.Arrived()
		requests++
		for tried := (Tried{}); ; {
			attempts++
			if !b.Retry(Request{Repeatable: true, BodyHeld: true}, host("a"), Attempt{Blame: BlameInstance}, &tried).Again() {
				break
			}
		}
	}
	share := float64(attempts-requests) / float64(requests)
	if share > limits.Share+0.02 || share < limits.Share-0.04 {
		t.Errorf("%.1f %% of the requests were repeated, want %.0f %%", 100*share, 100*limits.Share)
	}
}

func TestBudgetHasAFloorAndRefills(t *testing.T) {
	limits := Defaults()
	b, c := newBudget(t, limits)
	repeat := func() bool {
		return b.Retry(Request{Repeatable: true, BodyHeld: true}, host("a"), Attempt{Blame: BlameInstance}, &Tried{}).Again()
	}
	for round := range 3 {
		for i := range limits.Floor {
			if !repeat() {
				t.Fatalf("round %d: repetition %d is refused, the floor is %d", round, i+1, limits.Floor)
			}
		}
		if repeat() {
			t.Fatalf("round %d: one more than the floor is allowed", round)
		}
		c.at = c.at.Add(limits.Window)
	}
	smaller := limits
	smaller.Floor = 1
	if err := b.Set(smaller); err != nil {
		t.Fatal(err)
	}
	if !repeat() || repeat() {
		t.Error("a floor that was set does not count")
	}
}

func TestLimitsAreChecked(t *testing.T) {
	for name, spoil := range map[string]func(*Limits){
		"further":    func(l *Limits) { l.Further = -1 },
		"floor":      func(l *Limits) { l.Floor = -1 },
		"least time": func(l *Limits) { l.LeastTime = -1 },
		"share":      func(l *Limits) { l.Share = 1.5 },
		"window":     func(l *Limits) { l.Window = time.Millisecond },
	} {
		limits := Defaults()
		spoil(&limits)
		if _, err := NewBudget(limits, time.Now); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
		b, _ := newBudget(t, Defaults())
		if err := b.Set(limits); fault.KindOf(err) != fault.Invalid {
			t.Errorf("set %s: %v", name, err)
		}
	}
}

func TestRepeatable(t *testing.T) {
	f := func(method, path string, want bool) {
		t.Helper()
		if got := Repeatable(method, path); got != want {
			t.Errorf("%s %s: %v, want %v", method, path, got, want)
		}
	}
	f("GET", "/api/tags", true)
	f("HEAD", "/api/blobs/sha256:00", true)
	for _, path := range []string{
		"/api/generate", "/api/chat", "/api/embed", "/api/embeddings", "/api/show", "/api/chat?x=1",
		"/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/messages",
	} {
		f("POST", path, true)
		f("DELETE", path, false)
	}
	for _, path := range []string{"/api/pull", "/api/push", "/api/create", "/api/copy", "/api/blobs/sha256:00", "/api/chatter", ""} {
		f("POST", path, false)
	}
	f("DELETE", "/api/delete", false)
}
