package pluginrpc

import (
	"context"

	"google.golang.org/grpc"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/internal/pb/pluginv1"
	"github.com/corral-fleet/corral/sdk/internal/rpc"
)

// Client asks a plugin.
type Client struct{ plugin pluginv1.PluginServiceClient }

// NewClient returns a client of the plugin at the other end of a connection.
func NewClient(conn grpc.ClientConnInterface) Client {
	return Client{pluginv1.NewPluginServiceClient(conn)}
}

// Describe returns what the plugin is, as JSON.
func (c Client) Describe(ctx context.Context) ([]byte, error) {
	out, err := c.plugin.Describe(ctx, &pluginv1.DescribeRequest{})
	return out.GetDescriptionJson(), rpc.Fault(ctx, err)
}

// Check returns what is wrong with a configuration, and tries it where nothing is
// and it is asked for.
func (c Client) Check(ctx context.Context, is Configuration, online bool) ([]config.Fault, error) {
	out, err := c.plugin.Check(ctx, &pluginv1.CheckRequest{Config: is.message(), Online: online})
	if err != nil {
		return nil, rpc.Fault(ctx, err)
	}
	var faults []config.Fault
	for _, f := range out.GetFaults() {
		faults = append(faults, config.Fault{Field: f.GetField(), Message: f.GetMessage()})
	}
	return faults, nil
}

// Migrate returns a configuration in the version that the plugin has now. One that is
// of a newer version is fault.Invalid, a plugin without versions fault.NotImplemented.
func (c Client) Migrate(ctx context.Context, is Configuration) (Configuration, error) {
	out, err := c.plugin.Migrate(ctx, &pluginv1.MigrateRequest{Config: is.message()})
	if err != nil {
		return Configuration{}, rpc.Fault(ctx, err)
	}
	return configurationOf(out.GetConfig()), nil
}

// Handle is an open instance as its host knows it.
type Handle struct {
	Instance     string
	Capabilities uint32
	Address      string
	DataSocket   string // its name in the plugin's directory, "" for none
}

// Open opens an instance of a configuration.
func (c Client) Open(ctx context.Context, is Configuration) (Handle, error) {
	out, err := c.plugin.Open(ctx, &pluginv1.OpenRequest{Config: is.message()})
	if err != nil {
		return Handle{}, rpc.Fault(ctx, err)
	}
	return Handle{out.GetInstance(), out.GetCapabilities(), out.GetAddress(), out.GetDataSocket()}, nil
}

// Close ends an instance.
func (c Client) Close(ctx context.Context, instance string) error {
	_, err := c.plugin.Close(ctx, &pluginv1.CloseRequest{Instance: instance})
	return rpc.Fault(ctx, err)
}

// Health returns nil when an instance would serve, else what one would get.
func (c Client) Health(ctx context.Context, instance string) error {
	_, err := c.plugin.Health(ctx, &pluginv1.HealthRequest{Instance: instance})
	return rpc.Fault(ctx, err)
}

// Drain has the plugin take no further calls, and returns when it has done with those
// that are under way.
func (c Client) Drain(ctx context.Context) error {
	_, err := c.plugin.Drain(ctx, &pluginv1.DrainRequest{})
	return rpc.Fault(ctx, err)
}
