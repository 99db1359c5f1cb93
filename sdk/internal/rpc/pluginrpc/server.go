// Package pluginrpc carries what every kind of plugin does between a plugin and its
// host.
package pluginrpc

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/grpc"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/internal/pb/pluginv1"
	"github.com/corral-fleet/corral/sdk/internal/rpc"
)

// Plugin is what a plugin's program does.
type Plugin interface {
	// Describe returns what it is, as JSON.
	Describe() ([]byte, error)
	// Configure returns what is wrong with a configuration, or nil and what opens
	// an instance of it.
	Configure(c Configuration) (Opening, []config.Fault)
	// Migrate returns a configuration in the version that it has now.
	Migrate(c Configuration) (Configuration, error)
}

// Opening opens a configured instance.
type Opening func(ctx context.Context) (Opened, error)

// Opened is an open instance. One that implements io.Closer is closed at its end.
type Opened struct {
	Instance     any
	Capabilities uint32
	Address      string
	Check        func(ctx context.Context) error
}

// Server serves a plugin, and has its open instances.
type Server struct {
	pluginv1.UnimplementedPluginServiceServer
	plugin     Plugin
	dataSocket string

	mu        sync.RWMutex
	instances map[string]*instance
	handles   uint64 // that were given out
	calls     gate
}

// NewServer returns a server of a plugin. dataSocket is the name of a socket for what
// its kind sends in bulk, "" for none.
func NewServer(p Plugin, dataSocket string) *Server {
	return &Server{plugin: p, dataSocket: dataSocket, instances: map[string]*instance{}}
}

// Register adds the service to a gRPC server.
func (s *Server) Register(to grpc.ServiceRegistrar) { pluginv1.RegisterPluginServiceServer(to, s) }

// Describe implements the service.
func (s *Server) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.DescribeResponse, error) {
	description, err := s.plugin.Describe()
	return &pluginv1.DescribeResponse{DescriptionJson: description}, rpc.Status(err)
}

// Check implements the service.
func (s *Server) Check(ctx context.Context, r *pluginv1.CheckRequest) (*pluginv1.CheckResponse, error) {
	open, faults := s.plugin.Configure(configurationOf(r.GetConfig()))
	out := &pluginv1.CheckResponse{}
	for _, f := range faults {
		out.Faults = append(out.Faults, &pluginv1.CheckResponse_Fault{Field: f.Field, Message: f.Message})
	}
	if len(faults) > 0 || !r.GetOnline() {
		return out, nil
	}
	return out, rpc.Status(try(ctx, open))
}

// try opens an instance, checks and closes it.
func try(ctx context.Context, open Opening) error {
	o, err := open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(o.Check(ctx), o.close())
}

// Migrate implements the service.
func (s *Server) Migrate(_ context.Context, r *pluginv1.MigrateRequest) (*pluginv1.MigrateResponse, error) {
	now, err := s.plugin.Migrate(configurationOf(r.GetConfig()))
	if err != nil {
		return nil, rpc.Status(err)
	}
	return &pluginv1.MigrateResponse{Config: now.message()}, nil
}

// Open implements the service.
func (s *Server) Open(ctx context.Context, r *pluginv1.OpenRequest) (*pluginv1.OpenResponse, error) {
	open, faults := s.plugin.Configure(configurationOf(r.GetConfig()))
	if len(faults) > 0 {
		return nil, rpc.Status(fault.New(fault.Invalid, "%s", sentence(faults)).On(fault.Caller))
	}
	o, err := open(ctx)
	if err != nil {
		return nil, rpc.Status(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handles++
	handle := strconv.FormatUint(s.handles, 10)
	s.instances[handle] = &instance{Opened: o, closing: make(chan struct{})}
	return &pluginv1.OpenResponse{Instance: handle, Capabilities: o.Capabilities, Address: o.Address, DataSocket: s.dataSocket}, nil
}

// sentence puts faults into one.
func sentence(faults []config.Fault) string {
	var lines []string
	for _, f := range faults {
		lines = append(lines, f.String())
	}
	return strings.Join(lines, "; ")
}

// Close implements the service. Calls that are under way are ended, and waited for.
func (s *Server) Close(ctx context.Context, r *pluginv1.CloseRequest) (*pluginv1.CloseResponse, error) {
	s.mu.Lock()
	i, ok := s.instances[r.GetInstance()]
	delete(s.instances, r.GetInstance())
	s.mu.Unlock()
	if !ok {
		return &pluginv1.CloseResponse{}, nil
	}
	select {
	case <-i.end():
	case <-ctx.Done():
	}
	return &pluginv1.CloseResponse{}, rpc.Status(i.close())
}

func (o Opened) close() error {
	if c, ok := o.Instance.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Health implements the service.
func (s *Server) Health(ctx context.Context, r *pluginv1.HealthRequest) (*pluginv1.HealthResponse, error) {
	out := &pluginv1.HealthResponse{}
	if r.GetInstance() == "" {
		return out, nil
	}
	o, err := s.lookUp(r.GetInstance())
	if err == nil {
		err = o.Check(ctx)
	}
	return out, rpc.Status(err)
}

// ours is what the names of our methods begin with; go-plugin has some of its own.
const ours = "/corral."

// Begin admits a call, which calls done at its end. A plugin that drains takes only
// those that it needs for its end.
func (s *Server) Begin(method string) (done func(), err error) {
	switch method {
	case pluginv1.PluginService_Drain_FullMethodName, pluginv1.PluginService_Health_FullMethodName, pluginv1.PluginService_Close_FullMethodName:
		return func() {}, nil
	}
	if !strings.HasPrefix(method, ours) { // what go-plugin has between itself lasts as long as the process
		return func() {}, nil
	}
	if !s.calls.enter() {
		return nil, rpc.Status(fault.New(fault.Unavailable, "the plugin is about to end"))
	}
	return s.calls.leave, nil
}

// Drain implements the service.
func (s *Server) Drain(ctx context.Context, _ *pluginv1.DrainRequest) (*pluginv1.DrainResponse, error) {
	select {
	case <-s.calls.shut():
		return &pluginv1.DrainResponse{}, nil
	case <-ctx.Done():
		return nil, rpc.Status(ctx.Err())
	}
}

// Find returns an instance by its handle.
func (s *Server) Find(handle string) (any, error) {
	o, err := s.lookUp(handle)
	return o.Instance, err
}

func (s *Server) lookUp(handle string) (Opened, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	i, ok := s.instances[handle]
	if !ok {
		return Opened{}, fault.New(fault.NotFound, "there is no instance %q", handle)
	}
	return i.Opened, nil
}

// CloseAll closes all instances, whether calls are under way or not.
func (s *Server) CloseAll() error {
	s.mu.Lock()
	all := s.instances
	s.instances = map[string]*instance{}
	s.mu.Unlock()
	var errs []error
	for _, i := range all {
		i.end()
		errs = append(errs, i.close())
	}
	return errors.Join(errs...)
}
