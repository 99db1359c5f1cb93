package plugin

import (
	"context"

	"google.golang.org/grpc"

	"github.com/corral-fleet/corral/sdk/internal/rpc/datasocket"
	"github.com/corral-fleet/corral/sdk/internal/rpc/pluginrpc"
	"github.com/corral-fleet/corral/sdk/internal/rpc/storagerpc"
	"github.com/corral-fleet/corral/sdk/storage"
)

// Storage is the kind of a plugin that keeps objects. open returns the backend of a
// configuration whose fields are valid; its context ends when it returns. An error
// of it says what is wrong with the configuration or with the service.
func Storage[C any](open func(ctx context.Context, c C) (storage.Backend, error), options ...Option) Kind {
	return storageKind[C]{configured[C]{versionsOf(options), func(ctx context.Context, c C) (pluginrpc.Opened, error) {
		b, err := open(ctx, c)
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
	}}}
}

type storageKind[C any] struct{ configured[C] }

func (storageKind[C]) name() string { return "storage" }

func (storageKind[C]) register(to grpc.ServiceRegistrar, find func(string) (any, error), data *datasocket.Listener) {
	storagerpc.NewServer(finding[storage.Backend](find), data).Register(to)
}
