package e2e

import (
	"errors"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// signsLimit is how long it may take until a stream has given two signs of life,
// which come every 10 s.
const signsLimit = 40 * time.Second

// TestTheLine keeps a model's only place taken, and looks at those who wait for
// it: callers in a hurry, and real clients, who are told that they wait in the
// words of their protocol and then are answered.
func TestTheLine(t *testing.T) {
	t.Parallel()
	installModules(t, "node")
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	models := lab.ModelsFolder(map[string]tinymodel.Options{"busy:latest": corraltest.EndlessModel()})
	agent := controlplane.Agent(corraltest.AgentOptions{Name: "small", Plain: true, Args: append(
		corraltest.ManagedOllama(ollamatest.Bin(t), models), "--ollama-num-parallel", "1",
	)})
	agent.AwaitModel(serveLimit, "busy:latest")
	caller := controlplane.As(corraltest.Inference)
	ask := func(tokens int) object {
		return object{"model": "busy", "prompt": "Go on.", "options": object{"num_predict": tokens}}
	}
	holder := caller.Stream("/api/generate", ask(-1))
	holder.AwaitLines(serveLimit, 3)

	hurried := caller.Do(http.MethodPost, "/api/generate", ask(8), "Corral-Timeout", "0.5")
	if hurried.Status != http.StatusGatewayTimeout || !strings.Contains(hurried.Body, "took longer than the 500ms") {
		t.Errorf("who has half a second is answered %d %s", hurried.Status, hurried.Body)
	}
	// Other clients wait for as long as the one that is looked at here, which
	// joins them once it has been told to wait.
	cmd := exec.CommandContext(t.Context(), "node", "--test", "--test-timeout=120000", "waiting.js")
	cmd.Dir = "node"
	cmd.Env = append(os.Environ(), "CORRAL_URL="+controlplane.URL(), "CORRAL_KEY="+controlplane.Key(corraltest.Operator),
		"CORRAL_MODEL=busy", "CORRAL_SENTENCE="+strings.Repeat(tinymodel.DefaultLoopReply, 8))
	var printed strings.Builder
	cmd.Stdout, cmd.Stderr = &printed, &printed
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waiting := caller.Stream("/api/generate", ask(8))
	if position, err := strconv.Atoi(waiting.Header.Get("Corral-Queue-Position")); err != nil || position < 1 {
		t.Errorf("who waits is told %v", waiting.Header)
	}
	waiting.AwaitLines(signsLimit, 2)
	for _, sign := range waiting.Lines() {
		if !strings.Contains(sign, `"response":"","done":false`) {
			t.Errorf("a sign of life is %s", sign)
		}
	}
	queues, err := controlplane.API().Queues(t.Context())
	if err != nil || len(queues) != 1 || queues[0].Places != 1 || queues[0].Serving != 1 || queues[0].Waiting != 5 {
		t.Errorf("who waits is %+v, %v", queues, err)
	}
	holder.Close()
	if last, err := waiting.AwaitEnd(serveLimit); err != nil || !strings.Contains(last, `"done":true`) {
		t.Errorf("who waited is answered %s, %v", last, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("clients that wait: %v\n%s", err, printed.String())
	}
	corraltest.Await(t, reportLimit, "five requests that waited are on record", func() error {
		page, err := controlplane.API().UsageRequests(t.Context(), client.UsageRange{}, "")
		if err != nil {
			return err
		}
		waited := 0
		for _, row := range page.Requests {
			if row.Outcome == "answered" && row.QueueMS > 10_000 {
				waited++
			}
		}
		if waited != 5 {
			return errors.New(strconv.Itoa(waited) + " are")
		}
		return nil
	})
}
