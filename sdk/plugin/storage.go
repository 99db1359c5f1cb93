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
	"github.com/corral-fleet/corral/sdk/internal/rpc/storagerpc"
	"github.com/corral-fleet/corral/sdk/storage"
)

// Storage is the kind of a plugin that keeps objects. open returns the backend of a
// configuration whose fields are valid; its context ends when it returns. An error
// of it says what is wrong with the configuration or with the service.
func Storage[C any](open func(ctx context.Context, c C) (storage.Backend, error), options ...Option) Kind {
	return storageKind[C]{versionsOf(options), open}
}

type storageKind[C any] struct {
	versions

	open func(context.Context, C) (storage.Backend, error)
}

func (storageKind[C]) name() string { return "storage" }

func (storageKind[C]) schema() (json.RawMessage, []string) { return schemaOf(blank[C]()) }

func (storageKind[C]) usage(w io.Writer) { explain(w, blank[C]()) }

func (k storageKind[C]) configure(is pluginrpc.Configuration) (pluginrpc.Opening, []config.Fault) {
	is, err := k.migrate(is)
	if err != nil {
		return nil, []config.Fault{{Message: fault.MessageOf(err)}}
	}
	c, faults := parse[C](is.JSON, is.Secrets)
	if len(faults) > 0 {
		return nil, faults
	}
	return func(ctx context.Context) (pluginrpc.Opened, error) {
		b, err := k.open(ctx, *c)
		if err != nil {
			return pluginrpc.Opened{}, err
		}
		o := pluginrpc.Opened{
			Instance: b, Capabilities: uint32(storage.CapabilitiesOf(b)),
			Check: func(ctx context.Context) error { return storage.CheckBackend(ctx, b) },
		}
		if a, ok := storage.As[storage.Addresser](b); ok {
			o.Address = a.Address()
		}
		return o, nil
	}, nil
}

func (storageKind[C]) register(to grpc.ServiceRegistrar, find func(string) (any, error), data *datasocket.Listener) {
	storagerpc.NewServer(func(instance string) (storage.Backend, error) {
		found, err := find(instance)
		if err != nil {
			return nil, err
		}
		b, ok := found.(storage.Backend)
		if !ok {
			return nil, fault.New(fault.Internal, "instance %q is no storage", instance)
		}
		return b, nil
	}, data).Register(to)
}
