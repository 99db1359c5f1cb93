package agent

import (
	"strconv"
	"time"

	"github.com/corral-fleet/corral/agent/internal/config"
	"github.com/corral-fleet/corral/agent/internal/ollama"
)

// keepAlive reads a keep-alive as Ollama does: a duration or a number of
// seconds, negative for ever. Empty, and what config has refused, is zero.
func keepAlive(text string) time.Duration {
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(seconds) * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0
	}
	return d
}

func flashAttention(text string) ollama.Switch {
	switch text {
	case config.FlashAttentionOn:
		return ollama.On
	case config.FlashAttentionOff:
		return ollama.Off
	}
	return ollama.NotSet
}
