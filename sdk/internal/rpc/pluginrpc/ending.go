package pluginrpc

import (
	"context"
	"strings"

	"google.golang.org/grpc"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/internal/pb/loaderv1"
	"github.com/corral-fleet/corral/sdk/internal/pb/pluginv1"
	"github.com/corral-fleet/corral/sdk/internal/pb/storagev1"
	"github.com/corral-fleet/corral/sdk/internal/rpc"
)

// instance is an open one, with the calls of it that are under way.
type instance struct {
	Opened

	calls   gate
	closing chan struct{} // closed when they are to end
}

// end has the calls that are under way end, and lets in no other. What it returns is
// closed when there are none.
func (i *instance) end() (none <-chan struct{}) {
	none = i.calls.shut()
	close(i.closing)
	return none
}

// enter adds a call to an instance, which is to leave it; nil is that there is none.
func (s *Server) enter(handle string) *instance {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if i, ok := s.instances[handle]; ok && i.calls.enter() {
		return i
	}
	return nil
}

// errClosed ends a call whose instance is closed.
var errClosed = fault.New(fault.Canceled, "the instance was closed").On(fault.Caller)

// EndUnary is an interceptor that answers a call at once when its instance is closed.
// Its context ends then, and Close waits until the call heeds that.
func (s *Server) EndUnary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	var i *instance
	if info.FullMethod != pluginv1.PluginService_Close_FullMethodName {
		i = s.enter(handleOf(request))
	}
	if i == nil {
		return handle(ctx, request)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(errClosed)
	type result struct {
		answer any
		err    error
	}
	ended := make(chan result, 1)
	go func() {
		defer i.calls.leave()
		answer, err := handle(ctx, request)
		ended <- result{answer, err}
	}()
	select {
	case r := <-ended:
		return r.answer, r.err
	case <-i.closing:
		return nil, rpc.Status(errClosed)
	}
}

// EndStream is [Server.EndUnary] for streams, which wait for the other side as well:
// that ends with the answer.
func (s *Server) EndStream(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	if !strings.HasPrefix(info.FullMethod, ours) {
		return handle(server, stream)
	}
	ctx, cancel := context.WithCancelCause(stream.Context())
	defer cancel(errClosed)
	c := &streaming{ServerStream: stream, ctx: ctx, server: s, entered: make(chan *instance, 1)}
	ended := make(chan error, 1)
	go func() {
		defer c.leave()
		ended <- handle(server, c)
	}()
	var closing <-chan struct{}
	for {
		select {
		case err := <-ended:
			return err
		case i := <-c.entered:
			closing = i.closing
		case <-closing:
			return rpc.Status(errClosed)
		}
	}
}

// streaming is the stream of a call, whose first message names the instance.
type streaming struct {
	grpc.ServerStream
	ctx      context.Context //nolint:containedctx // that the stream has
	server   *Server
	begun    bool
	instance *instance
	entered  chan *instance
}

// Context implements [grpc.ServerStream].
func (c *streaming) Context() context.Context { return c.ctx }

// RecvMsg implements [grpc.ServerStream].
func (c *streaming) RecvMsg(message any) error {
	err := c.ServerStream.RecvMsg(message)
	if err != nil || c.begun {
		return err
	}
	c.begun = true
	if c.instance = c.server.enter(handleOf(message)); c.instance != nil {
		c.entered <- c.instance
	}
	return nil
}

func (c *streaming) leave() {
	if c.instance != nil {
		c.instance.calls.leave()
	}
}

// handleOf returns the handle of the instance that a message names, "" for none.
func handleOf(message any) string {
	switch m := message.(type) {
	case interface{ GetInstance() string }:
		return m.GetInstance()
	case *storagev1.PutRequest:
		return m.GetBegin().GetInstance()
	case *loaderv1.InspectRequest:
		return m.GetBegin().GetInstance()
	}
	return ""
}
