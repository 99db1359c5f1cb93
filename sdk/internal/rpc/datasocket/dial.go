package datasocket

import (
	"context"
	"net"
	"os"
	"path/filepath"

	"github.com/corral-fleet/corral/sdk/fault"
)

// Dial connects to the socket of a plugin that has handed out a token. dir is the
// plugin's own directory, and name what the plugin says: it leads nowhere else.
// With a file, that is passed along.
func Dial(ctx context.Context, dir, name string, token []byte, file *os.File) (*net.UnixConn, error) {
	if name != filepath.Base(name) || name == "." || name == ".." || name == "/" {
		return nil, fault.New(fault.Invalid, "the name %q of the plugin's data socket is not one", name).On(fault.Plugin)
	}
	if len(token) != TokenBytes {
		return nil, fault.New(fault.Invalid, "the plugin's token has %d bytes, not %d", len(token), TokenBytes).On(fault.Plugin)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", filepath.Join(dir, name))
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "the plugin's data socket can't be reached").On(fault.Plugin)
	}
	enlarge(conn.(*net.UnixConn))
	if err := sendToken(conn.(*net.UnixConn), token, file); err != nil {
		conn.Close()
		return nil, fault.Wrap(fault.Unavailable, err, "the plugin's data socket takes no token").On(fault.Plugin)
	}
	return conn.(*net.UnixConn), nil
}
