package plugin

import (
	"context"

	"google.golang.org/grpc"

	"github.com/corral-fleet/corral/sdk/internal/rpc/datasocket"
	"github.com/corral-fleet/corral/sdk/internal/rpc/loaderrpc"
	"github.com/corral-fleet/corral/sdk/internal/rpc/pluginrpc"
	"github.com/corral-fleet/corral/sdk/loader"
)

// Loader is the kind of a plugin that knows formats of models. open returns the loader
// of a configuration whose fields are valid; most have no fields at all, and are opened
// once. Its context ends when it returns.
func Loader[C any](open func(ctx context.Context, c C) (loader.Loader, error), options ...Option) Kind {
	return loaderKind[C]{configured[C]{versionsOf(options), func(ctx context.Context, c C) (pluginrpc.Opened, error) {
		l, err := open(ctx, c)
		return pluginrpc.Opened{Instance: l, Check: func(context.Context) error { return nil }}, err
	}}}
}

type loaderKind[C any] struct{ configured[C] }

func (loaderKind[C]) name() string { return "loader" }

func (loaderKind[C]) register(to grpc.ServiceRegistrar, find func(string) (any, error), _ *datasocket.Listener) {
	loaderrpc.NewServer(finding[loader.Loader](find)).Register(to)
}
