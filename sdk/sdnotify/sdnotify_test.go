package sdnotify

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

// manager is the socket at which a systemd hears its services.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
	path string
}

func newManager(t *testing.T) *manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &manager{t: t, conn: conn, path: path}
}

// hear returns the next news, or nothing when none comes for so long.
func (m *manager) hear(within time.Duration) string {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		m.t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := m.conn.Read(buf)
	if err != nil {
		return ""
	}
	return string(buf[:n])
}

// await reads news until one of them has all the words.
func (m *manager) await(words ...string) {
	m.t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		heard := m.hear(time.Second)
		missing := 0
		for _, w := range words {
			if !strings.Contains("\n"+heard+"\n", "\n"+w+"\n") {
				missing++
			}
		}
		if missing == 0 {
			return
		}
	}
	m.t.Errorf("nothing was heard with all of %q", words)
}

func run(t *testing.T, s Service, leaving <-chan struct{}, beat func(context.Context) Beat) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, leaving, beat) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestAServiceIsReadyAliveAndEnds(t *testing.T) {
	m := newManager(t)
	s := Under([]string{"NOTIFY_SOCKET=" + m.path, "WATCHDOG_USEC=60000", fmt.Sprintf("WATCHDOG_PID=%d", os.Getpid())}, hclog.NewNullLogger())
	var alive atomic.Bool
	alive.Store(true)
	leaving := make(chan struct{})
	run(t, s, leaving, func(context.Context) Beat { return Beat{Alive: alive.Load(), Status: "all is\nwell"} })
	if got := m.hear(10 * time.Second); got != "READY=1\nSTATUS=all is well\nWATCHDOG=1" {
		t.Errorf("the first news are %q", got)
	}
	if got := m.hear(10 * time.Second); got != "WATCHDOG=1" {
		t.Errorf("a status that has not changed is told again: %q", got)
	}
	close(leaving)
	m.await("STOPPING=1")
	m.await("WATCHDOG=1", "EXTEND_TIMEOUT_USEC=30000000")
	alive.Store(false)
	for m.hear(200*time.Millisecond) != "" { // what was under way
	}
	if got := m.hear(200 * time.Millisecond); got != "" {
		t.Errorf("one that is not alive says %q", got)
	}
}

func TestABeatThatBlocksKeepsTheWatchdogWaiting(t *testing.T) {
	m := newManager(t)
	s := Under([]string{"NOTIFY_SOCKET=" + m.path, "WATCHDOG_USEC=30000"}, hclog.NewNullLogger())
	beats := 0
	run(t, s, nil, func(ctx context.Context) Beat {
		if beats++; beats > 1 {
			<-ctx.Done()
		}
		return Beat{Alive: true}
	})
	m.await("READY=1", "WATCHDOG=1")
	if got := m.hear(200 * time.Millisecond); got != "" {
		t.Errorf("it says %q", got)
	}
}

func TestWithoutSystemdNothingIsTold(t *testing.T) {
	s := Under([]string{"WATCHDOG_USEC=1"}, hclog.NewNullLogger())
	if err := s.Run(t.Context(), nil, func(context.Context) Beat { t.Error("asked"); return Beat{} }); err != nil {
		t.Error(err)
	}
}

func TestTheWatchdogOfAParentIsNotOurs(t *testing.T) {
	if s := Under([]string{"NOTIFY_SOCKET=/x", "WATCHDOG_USEC=30000", "WATCHDOG_PID=1"}, hclog.NewNullLogger()); s.watchdog != 0 {
		t.Errorf("it beats for %v", s.watchdog)
	}
}
