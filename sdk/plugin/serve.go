package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/internal/rpc"
	"github.com/corral-fleet/corral/sdk/internal/rpc/datasocket"
	"github.com/corral-fleet/corral/sdk/internal/rpc/pluginrpc"
	"github.com/corral-fleet/corral/sdk/internal/seam"
)

// maxReceiveBytes is the largest message that is taken: one of data, with room.
const maxReceiveBytes = 4 << 20

// serve serves a host until it is gone or has had enough. The lifeline ends with the
// host, whatever becomes of it.
func (p program) serve(lifeline io.Reader) int {
	// The host stops its plugins when it has done with them: a signal to all of its
	// group is meant for it.
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	log := hclog.New(&hclog.LoggerOptions{Name: p.about.Name, Output: p.stderr, JSONFormat: true, Level: hclog.Info})
	data, dataSocket := p.listen(log)
	s := pluginrpc.NewServer(p, dataSocket)
	// go-plugin replaces the program's streams by ones that lose what is printed last.
	// The host reads the real ones, so they are put back before anything is asked of
	// the author's code.
	stdout, stderr := os.Stdout, os.Stderr
	restore := sync.OnceFunc(func() { os.Stdout, os.Stderr = stdout, stderr }) //nolint:reassign // back to what they were
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		goplugin.Serve(&goplugin.ServeConfig{
			HandshakeConfig: seam.Handshake(),
			VersionedPlugins: seam.Plugins(seam.Seam{Register: func(to grpc.ServiceRegistrar) {
				s.Register(to)
				p.kind.register(to, s.Find, data)
			}}),
			GRPCServer: func(options []grpc.ServerOption) *grpc.Server {
				return grpc.NewServer(append(options, grpc.MaxRecvMsgSize(maxReceiveBytes),
					grpc.ChainUnaryInterceptor(s.EndUnary, unary(log, restore, s.Begin)), grpc.ChainStreamInterceptor(s.EndStream, stream(log, restore, s.Begin)))...)
			},
			Logger: log,
		})
	}()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = io.Copy(io.Discard, lifeline) // its end is what counts, not how
	}()
	select {
	case <-ended:
	case <-gone:
	}
	err := s.CloseAll()
	if data != nil {
		err = errors.Join(err, data.Close())
	}
	if err != nil {
		fmt.Fprintf(p.stderr, "%s: %v\n", p.about.Name, err)
		return 1
	}
	return 0
}

// listen offers a data socket where the host has a place for it, and returns its name.
// A plugin without one serves as well, slower.
func (p program) listen(log hclog.Logger) (*datasocket.Listener, string) {
	//nolint:forbidigo // it is the handshake's, which is made of the environment
	dir := os.Getenv(goplugin.EnvUnixSocketDir)
	if dir == "" {
		return nil, ""
	}
	data, err := datasocket.Listen(dir)
	if err != nil {
		log.Warn("there is no data socket", "error", err)
		return nil, ""
	}
	go func() {
		if err := data.Serve(); err != nil {
			log.Error("the data socket failed", "error", err)
		}
	}()
	return data, data.Name()
}

// beginning admits a call of a method; see [pluginrpc.Server.Begin].
type beginning func(method string) (done func(), err error)

// unary has a call that panics fail, and not the program.
func unary(log hclog.Logger, before func(), begin beginning) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (answer any, err error) {
		before()
		done, err := begin(info.FullMethod)
		if err != nil {
			return nil, err
		}
		defer done()
		defer recovered(log, info.FullMethod, &err)
		return handle(ctx, request)
	}
}

func stream(log hclog.Logger, before func(), begin beginning) grpc.StreamServerInterceptor {
	return func(server any, s grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) (err error) {
		before()
		done, err := begin(info.FullMethod)
		if err != nil {
			return err
		}
		defer done()
		defer recovered(log, info.FullMethod, &err)
		return handle(server, s)
	}
}

func recovered(log hclog.Logger, method string, err *error) {
	if r := recover(); r != nil {
		log.Error("a call panicked", "method", method, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		*err = rpc.Status(fault.New(fault.Internal, "the plugin failed; its log has the cause"))
	}
}
