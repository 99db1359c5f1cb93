// Package shim stands between a host and a program that serves plain gRPC: to the
// host it is a plugin, which does the handshake, TLS and the lifeline.
package shim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/corral-fleet/corral/sdk/cmd/corral-plugin-shim/internal/parcel"
	"github.com/corral-fleet/corral/sdk/internal/rpc/pluginrpc"
	"github.com/corral-fleet/corral/sdk/internal/seam"
)

// SocketVariable names the unix socket that the program serves on.
const SocketVariable = "CORRAL_PLUGIN_SOCKET"

// Bounds of the program.
const (
	readyWithin     = 20 * time.Second // it serves
	maxReceiveBytes = 4 << 20          // of a message
)

// shim is a plugin by another program.
type shim struct {
	parcel         parcel.Parcel
	environ        []string
	stdin          io.Reader
	stdout, stderr *os.File
}

// Main runs a packed program as a plugin and returns the status to exit with.
func Main(p parcel.Parcel, args, environ []string, stdin io.Reader, stdout, stderr *os.File) int {
	s := &shim{parcel: p, environ: environ, stdin: stdin, stdout: stdout, stderr: stderr}
	do := s.byHand
	if slices.Contains(environ, seam.CookieKey+"="+seam.CookieValue) {
		do = s.serve
	}
	if err := s.parcel.Verify(); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	code, err := do(args)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return max(code, 1)
	}
	return code
}

// byHand says what the plugin is. The program is started for that, and ended.
func (s *shim) byHand(args []string) (code int, err error) {
	dir, err := os.MkdirTemp("", "shim")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	c, err := s.start(dir)
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	defer c.conn.Close()
	if !slices.Equal(args, []string{"describe"}) {
		var d struct{ Name, Version, Kind string }
		if err := json.Unmarshal(c.description, &d); err != nil {
			return 1, fmt.Errorf("what the program says of itself is not JSON: %w", err)
		}
		fmt.Fprintf(s.stdout, "%s %s is a %s plugin of Corral. Its host starts it; by hand it only tells what it is:\n\n    describe    as JSON\n", d.Name, d.Version, d.Kind)
		if len(args) > 0 && args[0] != "help" && args[0] != "--help" && args[0] != "-h" {
			return 2, nil
		}
		return 0, nil
	}
	fmt.Fprintf(s.stdout, "%s\n", c.description)
	return 0, nil
}

// serve serves a host until it lets go of the lifeline or the program ends.
func (s *shim) serve([]string) (code int, err error) {
	// Its host stops it: a signal to all of its group is meant for the host.
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	c, err := s.start(s.variable(goplugin.EnvUnixSocketDir))
	if err != nil {
		return 1, err
	}
	defer c.conn.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		goplugin.Serve(&goplugin.ServeConfig{
			HandshakeConfig:  seam.Handshake(),
			VersionedPlugins: seam.Plugins(seam.Seam{Register: func(grpc.ServiceRegistrar) {}}),
			GRPCServer: func(options []grpc.ServerOption) *grpc.Server {
				return grpc.NewServer(append(options, grpc.MaxRecvMsgSize(maxReceiveBytes), grpc.ForceServerCodecV2(codec{}), grpc.UnknownServiceHandler(passOn(c.conn)))...)
			},
			Logger: hclog.New(&hclog.LoggerOptions{Output: s.stderr, JSONFormat: true, Level: hclog.Warn}),
		})
	}()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = io.Copy(io.Discard, s.stdin) // its end is what counts, not how
	}()
	select {
	case <-ended:
	case <-gone:
	case <-c.exited:
		return 1, fmt.Errorf("the program has ended: %s", c.state())
	}
	return 0, c.stop()
}

func (s *shim) variable(name string) string {
	for _, v := range s.environ {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

// start starts the program and waits until it says what it is. Its socket is put into
// a folder.
func (s *shim) start(dir string) (*child, error) {
	if dir == "" {
		return nil, fmt.Errorf("the host names no folder for sockets (%s)", goplugin.EnvUnixSocketDir)
	}
	c, err := startChild(s, filepath.Join(dir, "shim"))
	if err != nil {
		return nil, err
	}
	c.conn, err = grpc.NewClient("unix:"+c.socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReceiveBytes)))
	if err == nil {
		err = c.learn()
	}
	if err != nil {
		return nil, fmt.Errorf("%w%s", err, c.stopSaying())
	}
	return c, nil
}

// learn asks the program what it is, until it answers.
func (c *child) learn() error {
	ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
	defer cancel()
	go func() {
		select {
		case <-c.exited:
			cancel()
		case <-ctx.Done():
		}
	}()
	for {
		if probe, err := (&net.Dialer{}).DialContext(ctx, "unix", c.socket); err == nil {
			probe.Close() // it listens
			description, err := pluginrpc.NewClient(c.conn).Describe(ctx)
			c.description = description
			if err != nil {
				return fmt.Errorf("the program does not say what it is: %w", err)
			}
			return nil
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the program does not serve on %s", SocketVariable)
		}
	}
}
