package relay

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/agent/internal/demo"
	"github.com/corral-fleet/corral/agent/internal/ollama"
	"github.com/corral-fleet/corral/agent/internal/ollama/keeper"
	"github.com/corral-fleet/corral/agent/internal/realollama"
	"github.com/corral-fleet/corral/sdk/wire/exchange"
)

// TestNoRequestHangsThatOllamaLost has readers leave until a real Ollama leaves
// the next request unanswered, twice. The agent replaces its runner then; Ollama
// fails the request, or leaves it for good.
func TestNoRequestHangsThatOllamaLost(t *testing.T) {
	bin := realollama.Bin(t)
	t.Setenv("HOME", t.TempDir())
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := supervise(t, ollama.Config{
		Mode: ollama.ModeManaged, Bin: bin, URL: "http://127.0.0.1:0",
		Keeper:   []string{"/usr/bin/env", "GORACE=atexit_sleep_ms=0", self, keeper.Subcommand},
		Settings: ollama.Settings{ModelsDir: filepath.Join(t.TempDir(), "models")},
		Stalls:   ollama.Stalls{Idle: 500 * time.Millisecond, FirstToken: time.Hour, Token: time.Hour},
		Timing:   ollama.Timing{StallsEvery: 50 * time.Millisecond},
		Restarts: ollama.RestartPolicy{RecurWindow: time.Millisecond}, // runners alone, each time
	})
	awaitReady(t, s)
	first := s.Snapshot()
	endpoint, _ := s.Endpoint()
	if err := demo.Create(t.Context(), endpoint); err != nil {
		t.Fatal(err)
	}
	c, _ := through(t, s)
	lost := 0
	for n, until := 0, time.Now().Add(time.Minute); time.Now().Before(until) && s.Snapshot().RestartCount < 2; n++ {
		began := time.Now()
		if err := readerWhoLeaves(t, c); err != nil {
			lost++
			t.Logf("request %d after %v: %v", n, time.Since(began).Round(time.Millisecond), err)
		}
	}
	i := s.Snapshot()
	if i.RestartCount != 2 || i.PID != first.PID || lost == 0 {
		t.Errorf("%d requests were lost, and it is %+v", lost, i)
	}
}

// readerWhoLeaves asks for an answer, reads some of it and leaves. The error is
// how the request failed instead.
func readerWhoLeaves(t *testing.T, c *exchange.Client) error {
	t.Helper()
	ctx, leave := context.WithTimeout(t.Context(), patience)
	defer leave()
	body := `{"model":"` + demo.Model + `","messages":[{"role":"user","content":"Hello"}]}`
	req := streaming()
	req.Body, req.Length = strings.NewReader(body), int64(len(body))
	res, err := c.Do(ctx, req)
	if errors.Is(err, context.DeadlineExceeded) {
		t.Fatal("a request hangs")
	}
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.Status != 200 {
		reason, _ := io.ReadAll(res.Body)
		return fmt.Errorf("%d %s", res.Status, reason)
	}
	lines := bufio.NewReader(res.Body)
	for range 3 {
		if _, err := lines.ReadString('\n'); err != nil {
			return err
		}
	}
	return nil
}
