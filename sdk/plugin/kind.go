package plugin

import (
	"context"
	"encoding/json"
	"io"

	"google.golang.org/grpc"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/internal/rpc/datasocket"
	"github.com/corral-fleet/corral/sdk/internal/rpc/pluginrpc"
)

// Kind is what a plugin does for Corral; see [Storage] and [Loader].
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

// configured is what the kinds have in common: instances that are opened with a
// configuration of the type C.
type configured[C any] struct {
	versions

	open func(ctx context.Context, c C) (pluginrpc.Opened, error)
}

func (configured[C]) schema() (json.RawMessage, []string) { return schemaOf(blank[C]()) }

func (configured[C]) usage(w io.Writer) { explain(w, blank[C]()) }

func (k configured[C]) configure(is pluginrpc.Configuration) (pluginrpc.Opening, []config.Fault) {
	is, err := k.migrate(is)
	if err != nil {
		return nil, []config.Fault{{Message: fault.MessageOf(err)}}
	}
	c, faults := parse[C](is.JSON, is.Secrets)
	if len(faults) > 0 {
		return nil, faults
	}
	return func(ctx context.Context) (pluginrpc.Opened, error) { return k.open(ctx, *c) }, nil
}

// finding returns what looks up instances as what their kind serves.
func finding[T any](find func(instance string) (any, error)) func(instance string) (T, error) {
	return func(instance string) (T, error) {
		var none T
		found, err := find(instance)
		if err != nil {
			return none, err
		}
		one, ok := found.(T)
		if !ok {
			return none, fault.New(fault.Internal, "instance %q is of another kind", instance)
		}
		return one, nil
	}
}
