package ollama

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/fault"
)

func TestSettingsRenderWhatIsSet(t *testing.T) {
	if got := (Settings{}).env(); len(got) > 0 {
		t.Errorf("no settings render as %q", got)
	}
	got := Settings{
		KeepAlive: 10 * time.Minute, NumParallel: 4, MaxLoadedModels: 2, ContextLength: 8192,
		FlashAttention: Off, KVCacheType: "q8_0", ModelsDir: "/models", NoGPU: true,
	}.env()
	want := []string{
		"OLLAMA_KEEP_ALIVE=10m0s", "OLLAMA_NUM_PARALLEL=4", "OLLAMA_MAX_LOADED_MODELS=2",
		"OLLAMA_CONTEXT_LENGTH=8192", "OLLAMA_FLASH_ATTENTION=0", "OLLAMA_KV_CACHE_TYPE=q8_0",
		"OLLAMA_MODELS=/models",
		"CUDA_VISIBLE_DEVICES=-1", "ROCR_VISIBLE_DEVICES=-1", "GGML_VK_VISIBLE_DEVICES=-1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := (Settings{KeepAlive: -1, FlashAttention: On}).env(); !slices.Equal(got, []string{"OLLAMA_KEEP_ALIVE=-1", "OLLAMA_FLASH_ATTENTION=1"}) {
		t.Errorf("for ever renders as %q", got)
	}
}

func TestServerEnv(t *testing.T) {
	agent := []string{
		"HOME=/home/u", "PATH=/bin", "HTTPS_PROXY=http://p", "CUDA_VISIBLE_DEVICES=0",
		"CORRAL_TOKEN=crt_secret", "OLLAMA_HOST=0.0.0.0", "OLLAMA_DEBUG_LOG_REQUESTS=1",
		"NOTIFY_SOCKET=/run/x", "LISTEN_FDS=1", "CREDENTIALS_DIRECTORY=/run/c",
	}
	want := []string{
		"HOME=/home/u", "PATH=/bin", "HTTPS_PROXY=http://p",
		"CUDA_VISIBLE_DEVICES=-1", "ROCR_VISIBLE_DEVICES=-1", "GGML_VK_VISIBLE_DEVICES=-1",
		"OLLAMA_HOST=127.0.0.1:1", "OLLAMA_NO_CLOUD=1", "OLLAMA_NOPRUNE=1",
	}
	if diff := cmp.Diff(want, serverEnv(agent, Settings{NoGPU: true}, "127.0.0.1:1", "/data")); diff != "" {
		t.Error(diff)
	}
	for _, agent := range [][]string{nil, {"HOME="}} {
		if got := serverEnv(agent, Settings{}, "127.0.0.1:1", "/data"); got[0] != "HOME=/data" {
			t.Errorf("without a home the environment is %q", got)
		}
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	good := Config{Instance: "default", DataDir: "/data"}
	if _, err := New(good, nil); err != nil {
		t.Errorf("New(%+v) = %v", good, err)
	}
	for want, change := range map[string]func(*Config){
		"mode":          func(c *Config) { c.Mode = "service" },
		"name":          func(c *Config) { c.Instance = "" },
		"absolute path": func(c *Config) { c.DataDir = "data" },
		"KV cache":      func(c *Config) { c.Settings.KVCacheType = "q5_1" },
		"address":       func(c *Config) { c.URL = "https://127.0.0.1:11434" },
		"no address":    func(c *Config) { c.URL = "http://127.0.0.1:11434/path" },
		"loopback":      func(c *Config) { c.URL = "http://0.0.0.0:11434" },
		"attach":        func(c *Config) { c.Mode, c.URL = ModeAttached, "http://127.0.0.1:0" },
		"has no port":   func(c *Config) { c.Mode, c.URL = ModeSystemd, "http://127.0.0.1:0" },
		"valid port":    func(c *Config) { c.URL = "http://127.0.0.1:70000" },
	} {
		c := good
		change(&c)
		_, err := New(c, nil)
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(fault.MessageOf(err), want) {
			t.Errorf("New(%+v) = %v; want it invalid with a sentence about the %s", c, err, want)
		}
	}
}

func TestAddressOfAConfig(t *testing.T) {
	for url, want := range map[string]string{
		"": "127.0.0.1:11434", "http://localhost:1234/": "127.0.0.1:1234", "http://[::1]:5": "[::1]:5", "http://127.0.0.2": "127.0.0.2:11434",
	} {
		s, err := New(Config{Instance: "default", DataDir: "/data", URL: url}, nil)
		if err != nil {
			t.Errorf("New with %q = %v", url, err)
			continue
		}
		if got := s.configuredAddress(); got != want {
			t.Errorf("address of %q = %s, want %s", url, got, want)
		}
	}
}
