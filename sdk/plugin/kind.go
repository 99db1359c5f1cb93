package plugin

import (
	"encoding/json"
	"io"

	"google.golang.org/grpc"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/internal/rpc/datasocket"
	"github.com/corral-fleet/corral/sdk/internal/rpc/pluginrpc"
)

// Kind is what a plugin does for Corral; see [Storage].
type Kind interface {
	name() string
	schema() (schema json.RawMessage, secrets []string)
	usage(w io.Writer)
	// version is that of the configuration.
	version() int
	// migrate returns a configuration in that version.
	migrate(c pluginrpc.Configuration) (pluginrpc.Configuration, error)
	// configure returns what is wrong with a configuration, or nil and what opens an
	// instance of it.
	configure(c pluginrpc.Configuration) (pluginrpc.Opening, []config.Fault)
	// register serves the instances that find returns. data is where their bytes pass
	// if the host wants that, or nil.
	register(to grpc.ServiceRegistrar, find func(instance string) (any, error), data *datasocket.Listener)
}
