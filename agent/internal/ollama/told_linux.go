package ollama

import (
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/corral-fleet/corral/sdk/wire"
)

// own returns what an Ollama of ours is started with.
func (s *Supervisor) own() wire.OllamaSettings {
	set := s.cfg.Settings
	told := wire.OllamaSettings{ContextLength: uint32(min(set.ContextLength, math.MaxUint32)), CacheType: set.KVCacheType}
	switch set.FlashAttention {
	case On:
		told.FlashAttention = "on"
	case Off:
		told.FlashAttention = "off"
	case NotSet:
	}
	dir, _ := s.ModelsDir()
	told.ModelsDir = resolved(dir)
	return told
}

// told returns what the watched Ollama was started with: the settings say it of one of ours,
// and of another one its environment, where we may read that.
func (w *watcher) told() wire.OllamaSettings {
	if w.ours {
		return w.own
	}
	serve, ok := w.serving.process()
	if !ok || !isOllama(serve) {
		return wire.OllamaSettings{}
	}
	return toldBy(func(name string) string {
		value, _, err := serve.Env(name)
		if err != nil {
			return ""
		}
		return strings.Trim(strings.TrimSpace(value), `"'`) // as Ollama reads it
	})
}

// toldBy returns what an Ollama makes of its environment.
func toldBy(value func(name string) string) wire.OllamaSettings {
	var told wire.OllamaSettings
	if n, err := strconv.ParseUint(value("OLLAMA_CONTEXT_LENGTH"), 10, 32); err == nil {
		told.ContextLength = uint32(n)
	}
	if cache := value("OLLAMA_KV_CACHE_TYPE"); slices.Contains(kvCacheTypes, cache) {
		told.CacheType = cache
	}
	if flash := value("OLLAMA_FLASH_ATTENTION"); flash != "" {
		told.FlashAttention = "on"
		if on, err := strconv.ParseBool(flash); err == nil && !on {
			told.FlashAttention = "off"
		}
	}
	if dir := value("OLLAMA_MODELS"); filepath.IsAbs(dir) {
		told.ModelsDir = resolved(dir)
	}
	return told
}

// resolved returns a folder without links on its way, or as it is where that can't be seen:
// it is of interest on which disk it is.
func resolved(dir string) string {
	if dir == "" {
		return ""
	}
	if there, err := filepath.EvalSymlinks(dir); err == nil {
		return there
	}
	return filepath.Clean(dir)
}
