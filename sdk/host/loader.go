package host

import (
	"context"

	"github.com/corral-fleet/corral/sdk/internal/rpc/loaderrpc"
	"github.com/corral-fleet/corral/sdk/internal/rpc/pluginrpc"
	"github.com/corral-fleet/corral/sdk/loader"
)

// Loader is an instance of a loader plugin. It is of use until its process ends.
type Loader struct {
	*loaderrpc.Client
	process  *Process
	instance string
}

var _ loader.Loader = (*Loader)(nil)

// OpenLoader returns the loader of a configuration.
func (p *Process) OpenLoader(ctx context.Context, c Configuration) (*Loader, error) {
	opened, err := p.plugin.Open(ctx, pluginrpc.Configuration(c))
	if err != nil {
		return nil, err
	}
	return &Loader{loaderrpc.NewClient(p.conn, opened), p, opened.Instance}, nil
}

// CloseInstance ends the instance.
func (l *Loader) CloseInstance(ctx context.Context) error {
	return l.process.plugin.Close(ctx, l.instance)
}
