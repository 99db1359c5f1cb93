package edge

import (
	"testing"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

func TestSoManyRequestsAMinute(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var r rates
	ask := func(caller string, perMinute int) time.Duration {
		t.Helper()
		err := r.take(caller, perMinute, now)
		if err == nil {
			return 0
		}
		if fault.KindOf(err) != fault.RateLimited || fault.SideOf(err) != fault.Caller {
			t.Errorf("%v on %v: %v", fault.KindOf(err), fault.SideOf(err), err)
		}
		return fault.RetryAfterOf(err)
	}
	for range 30 {
		if wait := ask("a", 30); wait != 0 {
			t.Fatalf("refused for %v within the minute's worth", wait)
		}
	}
	for range 2 { // being refused costs nothing
		if wait := ask("a", 30); wait != 2*time.Second {
			t.Errorf("the next may come after %v", wait)
		}
	}
	if wait := ask("b", 30); wait != 0 {
		t.Errorf("another caller waits %v", wait)
	}
	now = now.Add(2 * time.Second)
	if wait := ask("a", 30); wait != 0 {
		t.Errorf("refused for %v after its wait", wait)
	}
	if wait := ask("a", 60); wait != time.Second {
		t.Errorf("with twice as many a minute the next may come after %v", wait)
	}
}

func TestCallersWhoOweNothingAreForgotten(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var r rates
	for range 100 {
		for i := range fewCallers {
			_ = r.take(string(rune('a'+i)), 1, now)
		}
		now = now.Add(time.Hour)
	}
	for i := range 100 * fewCallers {
		_ = r.take(string(rune(i))+"x", 1, now)
		now = now.Add(time.Minute)
	}
	if n := len(r.callers); n > 2*fewCallers {
		t.Errorf("%d callers are kept", n)
	}
}

// Keys have a count each, and so have addresses: those who guess keys share theirs.
func TestTheRateIsHeldAtTheEdge(t *testing.T) {
	f := start(t, Snapshot{RatePerMinute: 2},
		Route{Method: "GET", Path: "/read", Permission: Read, Handler: echo},
		Route{Method: "GET", Path: "/open", Permission: Public, Handler: echo},
		Route{Method: "POST", Path: "/login", Permission: Public, Handler: echo})
	for i, c := range []struct {
		method, path, key string
		status            int
	}{
		{"GET", "/read", "reader", 200},
		{"GET", "/read", "reader", 200},
		{"GET", "/read", "reader", 429},
		{"GET", "/read", "admin", 200},
		{"GET", "/read", "wrong", 401},
		{"POST", "/login", "", 200},
		{"GET", "/read", "another wrong one", 429},
		{"POST", "/login", "", 429},
		{"GET", "/open", "", 200},
	} {
		lines := []string{"Content-Length: 0"}
		if c.key != "" {
			lines = append(lines, "Authorization: Bearer LEAKMARKER-"+c.key)
		}
		status, header, body := f.raw(head(c.method, c.path, f.addr, lines...))
		if status != c.status || (header.Get("Retry-After") == "30") != (status == 429) {
			t.Errorf("request %d, %s %s with key %q: %d, Retry-After %q, want %d: %s", i, c.method, c.path, c.key, status, header.Get("Retry-After"), c.status, body)
		}
	}
	f.policy.Store(&Snapshot{})
	if status, _, _ := f.raw(head("GET", "/read", f.addr, "Authorization: Bearer LEAKMARKER-reader")); status != 200 {
		t.Errorf("without a limit: %d", status)
	}
}
