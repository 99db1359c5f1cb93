package agentlink

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
)

// notebook is a log that can be read while it is written.
type notebook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (n *notebook) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(p)
}

func (n *notebook) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

func TestMissingHostsAreWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := fleet.NewRegistry(nil)
		for i := range 10 {
			id := fmt.Sprint("h", i)
			registry.Put(fleet.Host{ID: id, Name: "host " + id})
			registry.Connect(id, 1, time.Now(), 0)
		}
		var said notebook
		var deadAfter atomic.Int64
		deadAfter.Store(int64(time.Minute))
		l := New(Options{
			Registry: registry, Now: time.Now, DeadAfter: func() time.Duration { return time.Duration(deadAfter.Load()) },
			Log: hclog.New(&hclog.LoggerOptions{Output: &said, TimeFn: time.Now}),
		})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- l.Run(ctx) }()
		lose := func(ids ...string) {
			for _, id := range ids {
				registry.Disconnect(id, 1, time.Now(), fleet.HostDisconnected)
			}
		}
		// after waits and wants the hosts to be in these states by then.
		after := func(d time.Duration, states map[string]fleet.HostState) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			for id, want := range states {
				if v, err := registry.Find(id); err != nil || v.State != want {
					t.Errorf("%s is %s, %v; want %s", id, v.State, err, want)
				}
			}
		}
		wantSaid := func(times int, what string) {
			t.Helper()
			if n := strings.Count(said.String(), what); n != times {
				t.Errorf("it is said %d times that %q, want %d:\n%s", n, what, times, &said)
			}
		}

		lose("h0")
		after(9*time.Second, map[string]fleet.HostState{"h0": fleet.HostDisconnected, "h1": fleet.HostOnline})
		after(2*time.Second, map[string]fleet.HostState{"h0": fleet.HostAway})
		wantSaid(0, "host counts as dead")
		after(time.Minute, map[string]fleet.HostState{"h0": fleet.HostDead})
		wantSaid(1, "host counts as dead")
		wantSaid(0, "lost at once")

		lose("h1", "h2", "h3")
		after(110*time.Second, map[string]fleet.HostState{"h1": fleet.HostAway, "h2": fleet.HostAway})
		wantSaid(1, "lost at once")
		wantSaid(1, "host counts as dead")
		registry.Connect("h1", 2, time.Now(), 0)
		after(2*time.Second, map[string]fleet.HostState{"h1": fleet.HostOnline})
		wantSaid(1, "no longer missing together")

		deadAfter.Store(0)
		lose("h4")
		after(24*time.Hour, map[string]fleet.HostState{"h4": fleet.HostAway, "h0": fleet.HostAway})
		stop()
		if err := <-ended; err != nil {
			t.Errorf("it ends with %v", err)
		}
	})
}
