package shim

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/corral-fleet/corral/sdk/internal/seam"
)

// stopWithin is how long the program may take to end by itself.
const stopWithin = 3 * time.Second

// searched is where a command is looked for when the host tells no PATH.
const searched = "/usr/local/bin:/usr/bin:/bin"

// child is the program that the shim stands before.
type child struct {
	cmd         *exec.Cmd
	socket      string
	lifeline    io.Closer
	exited      chan struct{}
	conn        *grpc.ClientConn
	description []byte
}

// startChild starts the program. Its stdin is its lifeline; what it prints, to stdout
// as well, is its log.
func startChild(s *shim, socket string) (*child, error) {
	env, path := s.childEnv(socket)
	command, err := look(s.parcel.Command[0], s.parcel.Folder(), path)
	if err != nil {
		return nil, err
	}
	c := &child{socket: socket, exited: make(chan struct{})}
	c.cmd = exec.Command(command, s.parcel.Command[1:]...) //nolint:noctx // it is stopped by its lifeline
	c.cmd.Dir, c.cmd.Env = s.parcel.Folder(), env
	c.cmd.Stdout, c.cmd.Stderr = s.stderr, s.stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c.lifeline, err = c.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	started := make(chan error, 1)
	go func() {
		// The signal that it gets with our end is one of the thread that started it.
		runtime.LockOSThread()
		err := c.cmd.Start()
		started <- err
		if err == nil {
			_ = c.cmd.Wait() // its state tells
			close(c.exited)
		}
	}()
	return c, <-started
}

// childEnv returns the program's environment, which is the shim's without what is of
// the handshake, and the PATH in it.
func (s *shim) childEnv(socket string) (env []string, path string) {
	mine := []string{
		seam.CookieKey, "PLUGIN_CLIENT_CERT", "PLUGIN_PROTOCOL_VERSIONS", "PLUGIN_MIN_PORT", "PLUGIN_MAX_PORT", goplugin.EnvUnixSocketGroup, "PLUGIN_MULTIPLEX_GRPC",
	}
	env = slices.DeleteFunc(slices.Clone(s.environ), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains(mine, name)
	})
	if path = s.variable("PATH"); path == "" {
		path = searched
		env = append(env, "PATH="+path)
	}
	return append(env, SocketVariable+"="+socket), path
}

// look returns where a command is: by its path from the folder, or in PATH.
func look(command, folder, path string) (string, error) {
	if strings.Contains(command, "/") {
		if filepath.IsAbs(command) {
			return command, nil
		}
		return filepath.Join(folder, command), nil
	}
	for _, dir := range filepath.SplitList(path) {
		at := filepath.Join(dir, command)
		if info, err := os.Stat(at); err == nil && !info.IsDir() && info.Mode().Perm()&0o111 != 0 {
			return at, nil
		}
	}
	return "", fmt.Errorf("there is no program %q in %s", command, path)
}

// state is how the program has ended, once it has.
func (c *child) state() string { return c.cmd.ProcessState.String() }

// stop lets go of the program, and ends it where it does not end by itself.
func (c *child) stop() error {
	c.lifeline.Close()
	select {
	case <-c.exited:
		return nil
	case <-time.After(stopWithin):
	}
	_ = c.cmd.Process.Kill() // it may have ended just now
	<-c.exited
	return errors.New("the program goes on when its stdin has ended, and was killed")
}

// stopSaying stops the program, and says how it ended where it had already.
func (c *child) stopSaying() string {
	select {
	case <-c.exited:
		return ": it has ended with " + c.state()
	default:
		_ = c.stop() // that it does not serve is what is wrong with it
		return ""
	}
}
