package ollama

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Settings are what a managed Ollama is told in its environment. A zero field
// leaves the matter to Ollama. Of one that is attached, NumParallel says what its
// operator knows.
type Settings struct {
	KeepAlive       time.Duration // how long an idle model stays loaded; negative is for ever
	NumParallel     uint          // requests at once for one model
	MaxLoadedModels uint
	ContextLength   uint // tokens
	FlashAttention  Switch
	KVCacheType     string // "f16", "q8_0" or "q4_0"
	ModelsDir       string // where models are stored; Ollama's own place is below the user's home
	NoGPU           bool   // compute on the processors alone
}

// Switch is on, off or not set.
type Switch uint8

// The positions of a [Switch].
const (
	NotSet Switch = iota
	On
	Off
)

var kvCacheTypes = []string{"", "f16", "q8_0", "q4_0"}

func (s Settings) check() error {
	if !slices.Contains(kvCacheTypes, s.KVCacheType) {
		return fault.New(fault.Invalid, "there is no KV cache type %q; there are f16, q8_0 and q4_0", s.KVCacheType)
	}
	return nil
}

// env renders the settings as environment entries.
func (s Settings) env() []string {
	var env []string
	set := func(name, value string) { env = append(env, name+"="+value) }
	number := func(name string, n uint) {
		if n > 0 {
			set(name, strconv.FormatUint(uint64(n), 10))
		}
	}
	switch {
	case s.KeepAlive < 0:
		set("OLLAMA_KEEP_ALIVE", "-1")
	case s.KeepAlive > 0:
		set("OLLAMA_KEEP_ALIVE", s.KeepAlive.String())
	}
	number("OLLAMA_NUM_PARALLEL", s.NumParallel)
	number("OLLAMA_MAX_LOADED_MODELS", s.MaxLoadedModels)
	number("OLLAMA_CONTEXT_LENGTH", s.ContextLength)
	switch s.FlashAttention {
	case On:
		set("OLLAMA_FLASH_ATTENTION", "1")
	case Off:
		set("OLLAMA_FLASH_ATTENTION", "0")
	}
	if s.KVCacheType != "" {
		set("OLLAMA_KV_CACHE_TYPE", s.KVCacheType)
	}
	if s.ModelsDir != "" {
		set("OLLAMA_MODELS", s.ModelsDir)
	}
	if s.NoGPU {
		// One for each maker's library. An empty list would count as "not set".
		set("CUDA_VISIBLE_DEVICES", "-1")
		set("ROCR_VISIBLE_DEVICES", "-1")
		set("GGML_VK_VISIBLE_DEVICES", "-1")
	}
	return env
}

// always is what every Ollama of ours is told, in environment entries.
//
// Cloud models are switched off. A fleet's users send prompts to the hosts that
// they see; one that passes them on to somebody else's machines must not look
// like the others.
//
// Nothing is pruned. At its start an Ollama would throw away what has come of models
// that are on their way, its own and those of whoever shares the folder. What nobody
// refers to is collected by the control plane's orders.
func always(hostPort string) []string {
	return []string{"OLLAMA_HOST=" + hostPort, "OLLAMA_NO_CLOUD=1", "OLLAMA_NOPRUNE=1"}
}

// serverEnv returns the whole environment of an `ollama serve`: what the agent
// itself was started with, as the way to a proxy or to libraries may depend on
// it, and the settings.
//
// Left out are our own variables, which hold secrets, what the service manager
// told the agent about itself, and every OLLAMA_ variable: one that was meant
// for a user's client would change the server, and some write prompts to disk.
// HOME stays, so that models which the user has pulled are found; where there
// is none, as in some services, Ollama's key goes to the instance's folder.
func serverEnv(agentEnv []string, s Settings, hostPort, dataDir string) []string {
	settings := append(s.env(), always(hostPort)...)
	home := false
	var env []string
	for _, entry := range agentEnv {
		name, value, _ := strings.Cut(entry, "=")
		private := slices.ContainsFunc([]string{"OLLAMA_", "CORRAL_", "LISTEN_", "WATCHDOG_"}, func(prefix string) bool {
			return strings.HasPrefix(name, prefix)
		})
		replaced := slices.ContainsFunc(settings, func(s string) bool { return strings.HasPrefix(s, name+"=") })
		if private || replaced || name == "NOTIFY_SOCKET" || name == "CREDENTIALS_DIRECTORY" || name == "HOME" && value == "" {
			continue
		}
		home = home || name == "HOME"
		env = append(env, entry)
	}
	if !home {
		env = append(env, "HOME="+dataDir)
	}
	return append(env, settings...)
}
