package pluginrpc

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/grpc"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/internal/pb/loaderv1"
	"github.com/corral-fleet/corral/sdk/internal/pb/pluginv1"
	"github.com/corral-fleet/corral/sdk/internal/pb/storagev1"
	"github.com/corral-fleet/corral/sdk/internal/rpc"
)

// closable is a plugin whose instances tell that they are closed.
type closable struct {
	Plugin
	closed chan struct{}
}

func (c closable) Configure(Configuration) (Opening, []config.Fault) {
	return func(context.Context) (Opened, error) { return Opened{Instance: c}, nil }, nil
}

func (c closable) Close() error {
	close(c.closed)
	return nil
}

// opened is a server with one instance.
func opened(t *testing.T) (*Server, closable, string) {
	t.Helper()
	c := closable{closed: make(chan struct{})}
	s := NewServer(c, "")
	o, err := s.Open(t.Context(), &pluginv1.OpenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return s, c, o.GetInstance()
}

// messages is a stream with one message, whose host then says nothing for ever.
type messages struct {
	grpc.ServerStream
	ctx     context.Context
	message *storagev1.PutRequest
}

func (m *messages) Context() context.Context { return m.ctx }

func (m *messages) RecvMsg(to any) error {
	if m.message == nil {
		<-m.ctx.Done()
		return m.ctx.Err()
	}
	to.(*storagev1.PutRequest).Part = m.message.GetPart()
	m.message = nil
	return nil
}

// wants fails unless a call has ended because its instance was closed.
func wants(t *testing.T, err error) {
	t.Helper()
	if err := rpc.Fault(t.Context(), err); fault.KindOf(err) != fault.Canceled || fault.MessageOf(err) != errClosed.Error() {
		t.Errorf("%v", err)
	}
}

func TestCallsEndWithTheirInstance(t *testing.T) {
	for name, call := range map[string]func(s *Server, instance string, under context.Context, work func(context.Context)) error{
		"a call": func(s *Server, instance string, ctx context.Context, work func(context.Context)) error {
			_, err := s.EndUnary(ctx, &storagev1.StatRequest{Instance: instance}, &grpc.UnaryServerInfo{FullMethod: "/corral.storage.v1.StorageService/Stat"}, func(ctx context.Context, _ any) (any, error) {
				work(ctx)
				return nil, nil
			})
			return err
		},
		"a stream that waits for its host": func(s *Server, instance string, ctx context.Context, work func(context.Context)) error {
			first := &storagev1.PutRequest{Part: &storagev1.PutRequest_Begin_{Begin: &storagev1.PutRequest_Begin{Instance: instance}}}
			ctx, end := context.WithCancel(ctx)
			defer end() // as gRPC does behind the handler
			return s.EndStream(nil, &messages{ctx: ctx, message: first}, &grpc.StreamServerInfo{FullMethod: "/corral.storage.v1.StorageService/Put"}, func(_ any, stream grpc.ServerStream) error {
				if err := stream.RecvMsg(&storagev1.PutRequest{}); err != nil {
					return err
				}
				work(stream.Context())
				return stream.RecvMsg(&storagev1.PutRequest{})
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, c, instance := opened(t)
			began, goOn, answered, closed := make(chan struct{}), make(chan struct{}), make(chan error, 1), make(chan error, 1)
			go func() {
				answered <- call(s, instance, t.Context(), func(ctx context.Context) {
					close(began)
					<-ctx.Done()
					<-goOn
				})
			}()
			<-began
			go func() {
				_, err := s.Close(t.Context(), &pluginv1.CloseRequest{Instance: instance})
				closed <- err
			}()
			// The host has its answer while the call is still at work, and the instance is there as long.
			wants(t, <-answered)
			select {
			case <-c.closed:
				t.Error("it was closed under a call")
			default:
			}
			close(goOn)
			if err := <-closed; err != nil {
				t.Error(err)
			}
			<-c.closed
		})
	}
}

func TestACallThatDoesNotEndIsNotWaitedForForEver(t *testing.T) {
	s, c, instance := opened(t)
	began, end, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = s.EndUnary(t.Context(), &storagev1.StatRequest{Instance: instance}, &grpc.UnaryServerInfo{}, func(context.Context, any) (any, error) {
			close(began)
			<-end
			return nil, nil
		})
	}()
	<-began
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Close(ctx, &pluginv1.CloseRequest{Instance: instance}); err != nil {
		t.Error(err)
	}
	<-c.closed
	close(end)
	<-ended
}

func TestOtherCallsAreLeftAlone(t *testing.T) {
	s, _, instance := opened(t)
	failed := errors.New("as it is")
	for _, request := range []any{&storagev1.StatRequest{Instance: instance}, &storagev1.StatRequest{Instance: "none"}, &pluginv1.DescribeRequest{}} {
		if _, err := s.EndUnary(t.Context(), request, &grpc.UnaryServerInfo{}, func(context.Context, any) (any, error) { return nil, failed }); !errors.Is(err, failed) {
			t.Errorf("%T: %v", request, err)
		}
	}
	stream := &messages{ctx: t.Context()}
	err := s.EndStream(nil, stream, &grpc.StreamServerInfo{FullMethod: "/plugin.GRPCStdio/StreamStdio"}, func(_ any, is grpc.ServerStream) error {
		if is != grpc.ServerStream(stream) {
			t.Error("a stream of go-plugin's is another")
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Errorf("%v", err)
	}
}

func TestTheInstanceOfACallIsKnown(t *testing.T) {
	for _, message := range []any{
		&storagev1.GetRequest{Instance: "7"},
		&storagev1.PutRequest{Part: &storagev1.PutRequest_Begin_{Begin: &storagev1.PutRequest_Begin{Instance: "7"}}},
		&loaderv1.PlanRequest{Instance: "7"},
		&loaderv1.InspectRequest{Part: &loaderv1.InspectRequest_Begin_{Begin: &loaderv1.InspectRequest_Begin{Instance: "7"}}},
	} {
		if got := handleOf(message); got != "7" {
			t.Errorf("%T: %q", message, got)
		}
	}
}
