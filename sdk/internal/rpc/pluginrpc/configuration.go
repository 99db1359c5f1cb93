package pluginrpc

import (
	"encoding/json"

	"github.com/corral-fleet/corral/sdk/internal/pb/pluginv1"
)

// Configuration is that of an instance.
type Configuration struct {
	Version int // 0 is the one that the plugin has now
	JSON    json.RawMessage
	Secrets map[string]string // by their fields' names; never logged
}

func (c Configuration) message() *pluginv1.Config {
	return &pluginv1.Config{Json: c.JSON, Secrets: c.Secrets, Version: uint32(max(0, c.Version))}
}

func configurationOf(m *pluginv1.Config) Configuration {
	return Configuration{Version: int(m.GetVersion()), JSON: m.GetJson(), Secrets: m.GetSecrets()}
}
