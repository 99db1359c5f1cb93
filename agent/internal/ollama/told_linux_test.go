package ollama

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/agent/internal/realollama"
	"github.com/corral-fleet/corral/sdk/wire"
)

func TestWhatAnEnvironmentSays(t *testing.T) {
	folder, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(folder, "link")
	if err := os.Symlink(folder, link); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		environment map[string]string
		want        wire.OllamaSettings
	}{
		"nothing": {nil, wire.OllamaSettings{}},
		"all of it": {
			map[string]string{"OLLAMA_CONTEXT_LENGTH": "8192", "OLLAMA_KV_CACHE_TYPE": "q8_0", "OLLAMA_FLASH_ATTENTION": "1", "OLLAMA_MODELS": link},
			wire.OllamaSettings{ContextLength: 8192, CacheType: "q8_0", FlashAttention: "on", ModelsDir: folder},
		},
		"what Ollama takes in another way": {
			map[string]string{"OLLAMA_CONTEXT_LENGTH": "-1", "OLLAMA_KV_CACHE_TYPE": "q5_1", "OLLAMA_FLASH_ATTENTION": "yes", "OLLAMA_MODELS": "models"},
			wire.OllamaSettings{FlashAttention: "on"},
		},
		"off": {map[string]string{"OLLAMA_FLASH_ATTENTION": "false", "OLLAMA_MODELS": "/nowhere/at/../all"}, wire.OllamaSettings{FlashAttention: "off", ModelsDir: "/nowhere/all"}},
	} {
		if diff := cmp.Diff(c.want, toldBy(func(of string) string { return c.environment[of] })); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

func TestManagedOllamaTellsWhatItWasStartedWith(t *testing.T) {
	models, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := supervise(t, Config{
		Mode: ModeManaged, Bin: realollama.Bin(t), URL: "http://127.0.0.1:0", DataDir: t.TempDir(),
		Settings: Settings{ContextLength: 2048, KVCacheType: "q8_0", FlashAttention: On, ModelsDir: models},
	})
	want := wire.OllamaSettings{ContextLength: 2048, CacheType: "q8_0", FlashAttention: "on", ModelsDir: models}
	if got := s.awaitReady().Settings; got != want {
		t.Errorf("it tells %+v, want %+v", got, want)
	}
}

func TestAttachedOllamaTellsWhatItsEnvironmentSays(t *testing.T) {
	models, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := freeAddress(t)
	somebodyElses(t, at, models, "OLLAMA_CONTEXT_LENGTH=2048", "OLLAMA_FLASH_ATTENTION=0")
	s := supervise(t, Config{Mode: ModeAttached, URL: "http://" + at, DataDir: t.TempDir()})
	want := wire.OllamaSettings{ContextLength: 2048, FlashAttention: "off", ModelsDir: models}
	if got := s.awaitReady().Settings; got != want {
		t.Errorf("it tells %+v, want %+v", got, want)
	}
}
