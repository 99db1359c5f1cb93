package config

import (
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/corral-fleet/corral/sdk/config"
)

// The modes in which an agent looks after an Ollama.
const (
	ModeAuto     = "auto"     // attached where one answers already, else systemd or managed
	ModeSystemd  = "systemd"  // a unit of its own, which outlives the agent
	ModeManaged  = "managed"  // the agent starts it as its child
	ModeAttached = "attached" // somebody else runs it
)

// What [OllamaSettings.FlashAttention] can be.
const (
	FlashAttentionAuto = "auto" // Ollama decides
	FlashAttentionOn   = "on"
	FlashAttentionOff  = "off"
)

// Ollama is which Ollama an agent looks after, and how.
type Ollama struct {
	Mode     string         `yaml:"mode" help:"auto, systemd, managed or attached; auto attaches to an Ollama that answers, else uses its unit of systemd where there is one, else starts one"`
	Bin      string         `yaml:"bin" help:"the ollama program; empty searches the PATH"`
	URL      string         `yaml:"url" help:"where Ollama answers, or will; port 0 picks a free one"`
	Settings OllamaSettings `yaml:"settings"`
	Stalls   OllamaStalls   `yaml:"stalls"`
}

// OllamaStalls are how long a generation may produce nothing before it counts
// as stalled and its runner is replaced.
type OllamaStalls struct {
	FirstToken time.Duration `yaml:"first_token" help:"from the request to the first token, loading not counted"`
	Token      time.Duration `yaml:"token" help:"between two tokens"`
	Idle       time.Duration `yaml:"idle" help:"while requests wait and Ollama's processes compute nothing"`
}

// shortestStall is the least that a stall can be: below, a busy machine would
// pass for a broken one.
const shortestStall = time.Second

// Validate implements [config.Validator].
func (s *OllamaStalls) Validate(report config.Report) {
	if s.FirstToken < shortestStall {
		report("first_token", "%s is under %s", s.FirstToken, shortestStall)
	}
	if s.Token < shortestStall {
		report("token", "%s is under %s", s.Token, shortestStall)
	}
	if s.Idle < shortestStall {
		report("idle", "%s is under %s", s.Idle, shortestStall)
	}
}

// OllamaSettings are passed on to an Ollama that the agent starts. A zero value
// leaves the setting to Ollama.
type OllamaSettings struct {
	KeepAlive       string `yaml:"keep_alive" flag:"ollama-keep-alive" help:"how long an idle model stays in memory: a duration, seconds, or -1 for ever"`
	NumParallel     int    `yaml:"num_parallel" flag:"ollama-num-parallel" help:"requests that one model serves at a time; of an attached Ollama, what it is known to do"`
	MaxLoadedModels int    `yaml:"max_loaded_models" flag:"ollama-max-loaded-models" help:"models in memory at a time"`
	ContextLength   int    `yaml:"context_length" flag:"ollama-context-length" help:"context window in tokens where a request does not say"`
	FlashAttention  string `yaml:"flash_attention" flag:"ollama-flash-attention" help:"auto, on or off"`
	KVCacheType     string `yaml:"kv_cache_type" flag:"ollama-kv-cache-type" help:"f16, q8_0 or q4_0"`
	ModelsDir       string `yaml:"models_dir" flag:"ollama-models-dir" help:"folder of the models, an absolute path"`
}

// Validate implements [config.Validator].
func (o *Ollama) Validate(report config.Report) {
	switch o.Mode {
	case ModeAuto, ModeSystemd, ModeManaged, ModeAttached:
	default:
		report("mode", "%q is none of auto, systemd, managed and attached", o.Mode)
	}
	if o.Mode == ModeManaged && o.Bin != "" && !filepath.IsAbs(o.Bin) && strings.Contains(o.Bin, "/") {
		report("bin", "%q is neither an absolute path nor a bare name", o.Bin)
	}
	o.validateURL(report)
}

// validateURL also keeps an Ollama of ours on loopback: it has no
// authentication of its own, so whoever reaches it may do anything with it.
func (o *Ollama) validateURL(report config.Report) {
	u, err := url.Parse(o.URL)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		report("url", "%q is not an address such as http://127.0.0.1:11434", o.URL)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		report("url", "only a scheme, a host and a port can be given")
	case !portInRange(u.Port(), 0):
		report("url", "%q is not a port", u.Port())
	case o.Mode == ModeAttached:
		if u.Port() == "0" {
			report("url", "port 0 picks a free port, but an attached Ollama has one already")
		}
	case o.Mode == ModeSystemd && u.Port() == "0":
		report("url", "port 0 picks a free port, but a unit of systemd has the same one at each start")
	case u.Scheme != "http" || !loopback(u.Hostname()):
		report("url", "an Ollama that the agent may start listens on loopback by http; for one elsewhere the mode is attached")
	}
}

// Validate implements [config.Validator].
func (s *OllamaSettings) Validate(report config.Report) {
	if s.KeepAlive != "" && !keepAlive(s.KeepAlive) {
		report("keep_alive", "%q is neither a duration, such as 5m, nor a number of seconds", s.KeepAlive)
	}
	bounded := func(field string, value, most int) {
		if value < 0 || value > most {
			report(field, "%d is not between 1 and %d, or 0 to leave it to Ollama", value, most)
		}
	}
	bounded("num_parallel", s.NumParallel, 1024)
	bounded("max_loaded_models", s.MaxLoadedModels, 1024)
	bounded("context_length", s.ContextLength, 1<<24)
	if !slices.Contains([]string{FlashAttentionAuto, FlashAttentionOn, FlashAttentionOff}, s.FlashAttention) {
		report("flash_attention", "%q is none of auto, on and off", s.FlashAttention)
	}
	switch s.KVCacheType {
	case "", "f16":
	case "q8_0", "q4_0":
		if s.FlashAttention == FlashAttentionOff {
			report("kv_cache_type", "%s needs flash attention, which is off", s.KVCacheType)
		}
	default:
		report("kv_cache_type", "%q is none of f16, q8_0 and q4_0", s.KVCacheType)
	}
	if s.ModelsDir != "" && !filepath.IsAbs(s.ModelsDir) {
		report("models_dir", "%q is not an absolute path", s.ModelsDir)
	}
}

func keepAlive(text string) bool {
	if _, err := strconv.Atoi(text); err == nil {
		return true
	}
	_, err := time.ParseDuration(text)
	return err == nil
}

// portInRange reports whether a port is one, or is left out.
func portInRange(port string, least int) bool {
	if port == "" {
		return true
	}
	n, err := strconv.Atoi(port)
	return err == nil && n >= least && n <= 65535
}

// loopback reports whether a host name or address cannot be anywhere else.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
