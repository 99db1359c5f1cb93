package relay

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/agent/internal/demo"
	"github.com/corral-fleet/corral/agent/internal/ollama"
	"github.com/corral-fleet/corral/agent/internal/ollama/keeper"
	"github.com/corral-fleet/corral/agent/internal/realollama"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
	"github.com/corral-fleet/corral/sdk/wire/exchange"
)

func TestARealOllama(t *testing.T) {
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
	})
	awaitReady(t, s)
	endpoint, _ := s.Endpoint()
	if err := demo.Create(t.Context(), endpoint); err != nil {
		t.Fatal(err)
	}
	c, _ := through(t, s)

	body := `{"model":"` + demo.Model + `","messages":[{"role":"user","content":"Hello"}]}`
	req := streaming()
	req.Body, req.Length = strings.NewReader(body), int64(len(body))
	res, err := c.Do(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var said strings.Builder
	pieces, done := 0, false
	for lines := bufio.NewScanner(res.Body); lines.Scan(); pieces++ {
		var piece struct {
			Message struct{ Content string }
			Done    bool
		}
		if err := json.Unmarshal(lines.Bytes(), &piece); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		said.WriteString(piece.Message.Content)
		done = piece.Done
	}
	if strings.TrimSpace(said.String()) != tinymodel.DefaultReply || !done || pieces < 5 {
		t.Errorf("it said %q in %d pieces, done %v", said.String(), pieces, done)
	}
	if got := ask(t, c, &exchange.Request{Method: "HEAD", Target: "/ollama/default/"}); got.status != 200 {
		t.Errorf("HEAD /: %+v", got)
	}
	missing := `{"model":"none"}`
	got := ask(t, c, &exchange.Request{Method: "POST", Target: "/ollama/default/api/show", Body: strings.NewReader(missing), Length: int64(len(missing))})
	if got.status != 404 || got.fault != "" || !strings.Contains(got.body, "not found") {
		t.Errorf("Ollama's own error came as %+v", got)
	}

	tail := ask(t, c, &exchange.Request{Target: "/logs/default?lines=2"})
	if tail.status != 200 || strings.Count(tail.body, "\n") != 2 {
		t.Errorf("two lines of output came as %q", tail.body)
	}
	follow(t, c)
}

// follow reads what Ollama prints while it prints it: each request is a line.
func follow(t *testing.T, c *exchange.Client) {
	t.Helper()
	res, err := c.Do(t.Context(), &exchange.Request{Method: "GET", Target: "/logs/default?lines=0&follow=true"})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() // before its end: nobody follows any more
	lines := bufio.NewReader(res.Body)
	for _, path := range []string{"/api/nowhere-1", "/api/nowhere-2"} {
		ask(t, c, &exchange.Request{Target: "/ollama/default" + path})
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(line, path) {
				break
			}
		}
	}
}
