package nginxhop

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/bench/load"
	"github.com/corral-fleet/corral/e2e/bench/standin"
)

// need returns nginx's path. A run that names nginx in CORRAL_MUST_RUN fails
// without one, so that this is never skipped where it has to run.
func need(t *testing.T) string {
	t.Helper()
	path, err := Find(t.Context())
	if err == nil {
		return path
	}
	if strings.Contains(os.Getenv("CORRAL_MUST_RUN"), "nginx") {
		t.Fatal(err)
	}
	t.Skip(err)
	return ""
}

func start(t *testing.T, binary, upstream string) *Hop {
	t.Helper()
	hop, err := Start(context.Background(), binary, t.TempDir(), upstream)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := hop.Stop(); err != nil {
			t.Error(err)
		}
	})
	return hop
}

func TestTwoHopsLoseNothing(t *testing.T) {
	binary := need(t)
	ollama, err := standin.Start(context.Background(), standin.Options{Tokens: 16})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ollama.Stop(); err != nil {
			t.Error(err)
		}
	})
	outer := start(t, binary, start(t, binary, strings.TrimPrefix(ollama.URL, "http://")).Address)
	request := load.Request{
		URL:  "http://" + outer.Address + "/api/chat",
		Body: []byte(`{"model":"bench","messages":[{"role":"user","content":"hello"}]}`),
	}
	// New connections by the dozen while others are answered: workers that
	// hang in accept let answers time out.
	for range 5 {
		crowd := load.Crowd{Clients: 32, Window: 200 * time.Millisecond, Timeout: 5 * time.Second}
		got, err := crowd.Run(context.Background(), request)
		if err != nil {
			t.Fatal(err)
		}
		if got.Broken != 0 || got.Complete == 0 || got.Lines != 17*got.Complete {
			t.Fatalf("%d complete with %d lines, %d broken: %v", got.Complete, got.Lines, got.Broken, got.FirstBreak)
		}
	}
}

func TestVersion(t *testing.T) {
	version, err := Version(context.Background(), need(t))
	if err != nil || !strings.HasPrefix(version, "nginx/") {
		t.Errorf("Version = %q, %v", version, err)
	}
	if _, err := Version(context.Background(), "true"); err == nil {
		t.Error("true is taken for an nginx")
	}
}
