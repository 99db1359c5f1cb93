package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/e2e/corraltest"
	"github.com/corral-fleet/corral/e2e/ollamatest"
	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
)

// TestWhetherAModelFitsIsKnownBeforeAndBetterAfterwards asks of a model that is on no host
// yet whether it fits, on a machine with eight GPUs that are not there, and again when the
// host's Ollama, which has none, has loaded it.
func TestWhetherAModelFitsIsKnownBeforeAndBetterAfterwards(t *testing.T) {
	t.Parallel()
	lab := corraltest.New(t)
	controlplane := lab.ControlPlane()
	args := append(corraltest.ManagedOllama(ollamatest.Bin(t), lab.Folder("models")), "--gpu", recordedGPUs)
	agent := controlplane.Agent(corraltest.AgentOptions{Name: "rack-1", Args: args})
	controlplane.AwaitHost(serveLimit, agent.Name, "serves and reads its GPUs", func(h *client.Host) bool { return corraltest.Serves(h) && allRead(h) })
	operator, api := controlplane.As(corraltest.Operator), controlplane.API()

	const tokens = 4096
	file := tiny(t, tinymodel.Options{Dim: 256, Heads: 8, KVHeads: 8, Layers: 16, FeedForward: 128, ContextLength: tokens})
	if answer := uploadForm(t, operator, map[string]string{"name": "mine:1b"}, "mine.gguf", file); answer.Status != 200 {
		t.Fatalf("upload: %d %s", answer.Status, answer.Body)
	}
	awaitModel(t, operator, "mine:1b", "is stored", func(m catalogued) bool { return m.Status == "stored" && m.Progress == nil })
	ask := func(q client.FitQuery) client.Fit {
		t.Helper()
		fits, err := api.Fit(t.Context(), "mine:1b", q)
		if err != nil || len(fits) != 1 || fits[0].Host != agent.Name {
			t.Fatalf("%+v, %v", fits, err)
		}
		return fits[0]
	}
	before := ask(client.FitQuery{})
	const cache = tokens * 16 * 2 * 256 * 2
	if before.Verdict != client.VerdictFits || before.Source != client.FitEstimated || len(before.GPUs) != 8 || before.CacheBytes != cache || before.LongestContextTokens != tokens {
		t.Errorf("before it is loaded: %+v", before)
	}
	if many := ask(client.FitQuery{Parallel: 1 << 16}); many.Verdict != client.VerdictNo || many.CacheBytes != cache<<16 || !strings.Contains(many.Reason, "main memory") {
		t.Errorf("for many requests: %+v", many)
	}
	if _, err := api.Fit(t.Context(), "mine:1b", client.FitQuery{Hosts: []string{"nowhere"}}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("on a host that is not there: %v", err)
	}

	if got := operator.Post("/api/models/mine:1b/download", object{"hosts": []string{agent.Name}}); got.Status != 202 {
		t.Fatalf("download: %d %s", got.Status, got.Body)
	}
	agent.AwaitModel(modelLimit, "mine:1b")
	if said := controlplane.As(corraltest.Inference).Post("/api/chat", object{"model": "mine:1b", "message": "Who are you?"}); said.Status != 200 {
		t.Fatalf("chat: %d %s", said.Status, said.Body)
	}
	var loaded client.LoadedModel
	controlplane.AwaitHost(serveLimit, agent.Name, "has it loaded", func(h *client.Host) bool {
		if len(h.Instances) != 1 || len(h.Instances[0].Loaded) != 1 {
			return false
		}
		loaded = h.Instances[0].Loaded[0]
		return true
	})
	var after client.Fit
	corraltest.Await(t, serveLimit, "what it takes is measured", func() error {
		if after = ask(client.FitQuery{}); after.Source != client.FitMeasured {
			return fmt.Errorf("it is %+v", after)
		}
		if after.MeasuredBytes == 0 {
			return errors.New("as nothing")
		}
		return nil
	})
	if after.MeasuredBytes != loaded.SizeBytes || after.Verdict != client.VerdictSpills || !strings.Contains(after.Reason, "it is loaded there") {
		t.Errorf("it takes %d: %+v", loaded.SizeBytes, after)
	}
	if ratio := float64(after.TotalBytes-after.OverheadBytes) / float64(loaded.SizeBytes); ratio < 0.98 || ratio > 1.3 {
		t.Errorf("%d in all, where Ollama says %d", after.TotalBytes, loaded.SizeBytes)
	}
}
