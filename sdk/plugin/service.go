package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/internal/pb/pluginv1"
	"github.com/corral-fleet/corral/sdk/internal/rpc"
)

// service serves what every plugin does, and has the open instances.
type service struct {
	pluginv1.UnimplementedPluginServiceServer
	program

	mu        sync.RWMutex
	instances map[string]opened
	handles   uint64 // that were given out
}

func newService(p program) *service { return &service{program: p, instances: map[string]opened{}} }

// Describe implements the service.
func (s *service) Describe(context.Context, *pluginv1.DescribeRequest) (*pluginv1.DescribeResponse, error) {
	description, err := json.Marshal(s.describe())
	return &pluginv1.DescribeResponse{DescriptionJson: description}, rpc.Status(err)
}

// Check implements the service.
func (s *service) Check(ctx context.Context, r *pluginv1.CheckRequest) (*pluginv1.CheckResponse, error) {
	open, faults := s.kind.configure(r.GetConfig().GetJson(), r.GetConfig().GetSecrets())
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
func try(ctx context.Context, open opening) error {
	o, err := open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(o.check(ctx), o.close())
}

// Open implements the service.
func (s *service) Open(ctx context.Context, r *pluginv1.OpenRequest) (*pluginv1.OpenResponse, error) {
	open, faults := s.kind.configure(r.GetConfig().GetJson(), r.GetConfig().GetSecrets())
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
	s.instances[handle] = o
	return &pluginv1.OpenResponse{Instance: handle, Capabilities: o.capabilities, Address: o.address}, nil
}

// sentence puts faults into one.
func sentence(faults []config.Fault) string {
	var lines []string
	for _, f := range faults {
		lines = append(lines, f.String())
	}
	return strings.Join(lines, "; ")
}

// Close implements the service.
func (s *service) Close(_ context.Context, r *pluginv1.CloseRequest) (*pluginv1.CloseResponse, error) {
	s.mu.Lock()
	o, ok := s.instances[r.GetInstance()]
	delete(s.instances, r.GetInstance())
	s.mu.Unlock()
	if !ok {
		return &pluginv1.CloseResponse{}, nil
	}
	return &pluginv1.CloseResponse{}, rpc.Status(o.close())
}

func (o opened) close() error {
	if c, ok := o.instance.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Health implements the service.
func (s *service) Health(ctx context.Context, r *pluginv1.HealthRequest) (*pluginv1.HealthResponse, error) {
	out := &pluginv1.HealthResponse{}
	if r.GetInstance() == "" {
		return out, nil
	}
	o, err := s.lookUp(r.GetInstance())
	if err == nil {
		err = o.check(ctx)
	}
	return out, rpc.Status(err)
}

// find returns an instance by its handle.
func (s *service) find(handle string) (any, error) {
	o, err := s.lookUp(handle)
	return o.instance, err
}

func (s *service) lookUp(handle string) (opened, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	o, ok := s.instances[handle]
	if !ok {
		return opened{}, fault.New(fault.NotFound, "there is no instance %q", handle)
	}
	return o, nil
}

// closeAll closes all instances.
func (s *service) closeAll() error {
	s.mu.Lock()
	all := s.instances
	s.instances = map[string]opened{}
	s.mu.Unlock()
	var errs []error
	for _, o := range all {
		errs = append(errs, o.close())
	}
	return errors.Join(errs...)
}
