package ollama

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
	"github.com/corral-fleet/corral/sdk/wire"
)

// A real Ollama's models are found on the GPUs that their runners use.
func TestModelsAreFoundOnTheirGPUs(t *testing.T) {
	var gpus atomic.Pointer[GPUs]
	gpus.Store(&GPUs{})
	s, first := managed(t, Config{GPUs: func() GPUs { return *gpus.Load() }})
	createModel(t, s.url(), "other", tinymodel.Options{Reply: "Another one."})
	chat(t, s.url(), "once")
	chat(t, s.url(), "other")
	i := s.await("loading both", func(i wire.Instance) bool { return len(i.Loaded) == 2 })
	for _, m := range i.Loaded {
		if m.GPUsKnown || m.GPUs != nil {
			t.Errorf("where nothing is known, %s is on %v", m.Name, m.GPUs)
		}
	}
	runners := runnersOf(int(first.PID))
	if len(runners) != 2 || runners[0].model == "" || runners[0].model == runners[1].model {
		t.Fatalf("runners: %+v", runners)
	}
	// Each has another card; which runs which model, the files say.
	files := map[string]string{}
	shares := map[uint32][]wire.GPUShare{}
	for n, r := range runners {
		uuid := []string{"GPU-a", "GPU-b"}[n]
		shares[uint32(r.PID)] = []wire.GPUShare{{UUID: uuid, MemoryBytes: 7}}
		files[modelFile("FROM "+r.model)] = uuid
	}
	gpus.Store(&GPUs{Known: true, Shares: shares})
	c := newClient(s.url()[len("http://"):])
	defer c.close()
	want := map[string][]wire.GPUShare{}
	for _, name := range []string{"once:latest", "other:latest"} {
		file, err := c.file(t.Context(), name)
		if err != nil || files[file] == "" {
			t.Fatalf("the file of %s is %q, %v", name, file, err)
		}
		want[name] = []wire.GPUShare{{UUID: files[file], MemoryBytes: 7}}
	}
	s.await("placed", func(i wire.Instance) bool {
		got := map[string][]wire.GPUShare{}
		for _, m := range i.Loaded {
			got[m.Name] = m.GPUs
		}
		return cmp.Equal(want, got)
	})
	if !s.Runs(uint32(runners[0].PID)) || s.Runs(first.PID) || s.Runs(1) {
		t.Error("a runner is not known, or something else is taken for one")
	}
	gpus.Store(&GPUs{Known: true})
	s.await("on no GPU", func(i wire.Instance) bool {
		return len(i.Loaded) == 2 && i.Loaded[0].GPUsKnown && len(i.Loaded[0].GPUs) == 0 && i.Loaded[1].GPUsKnown && len(i.Loaded[1].GPUs) == 0
	})
}

// An Ollama without a GPU serves where there is one: that is told, and it goes on
// serving.
func TestCPUFallback(t *testing.T) {
	var gpus atomic.Pointer[GPUs]
	gpus.Store(&GPUs{})
	s, _ := managed(t, Config{GPUs: func() GPUs { return *gpus.Load() }, Timing: Timing{FallbackHold: 300 * time.Millisecond}})
	chat(t, s.url(), "once")
	loaded := s.await("loading", func(i wire.Instance) bool { return len(i.Loaded) == 1 }).Loaded[0]
	gpus.Store(&GPUs{Known: true, FreeBytes: loaded.SizeBytes}) // no room
	s.await("placed", func(i wire.Instance) bool { return len(i.Loaded) == 1 && i.Loaded[0].GPUsKnown })
	gpus.Store(&GPUs{Known: true, FreeBytes: 80 << 30})
	since := time.Now()
	i := s.await("told", func(i wire.Instance) bool { return i.Reason == ReasonCPUFallback })
	if held := time.Since(since); held < 300*time.Millisecond {
		t.Errorf("it is told after %v", held)
	}
	if i.State != wire.InstanceReady {
		t.Errorf("the instance is %s", i.State)
	}
	if _, serves := s.Endpoint(); !serves {
		t.Error("it does not serve any more")
	}
	gpus.Store(&GPUs{}) // what isn't known isn't told
	s.awaitReady()
}
