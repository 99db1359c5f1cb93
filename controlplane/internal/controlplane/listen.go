package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	psnet "github.com/shirou/gopsutil/v3/net"
	"github.com/shirou/gopsutil/v3/process"

	"github.com/corral-fleet/corral/sdk/fault"
)

// listen opens the server's port. A port that is taken is fault.Conflict and
// says by whom, where that can be seen.
func listen(ctx context.Context, host string, port int) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fault.Wrap(fault.Conflict, err, "port %d is taken%s; stop that, or choose another address with --listen HOST:PORT", port, holderOf(ctx, port))
	}
	if err != nil {
		return nil, fault.Wrap(fault.Conflict, err, "it is not possible to listen on %s port %d; choose another address with --listen HOST:PORT", host, port)
	}
	return listener, nil
}

// holderOf names the process that listens on a port, or returns "" when that
// cannot be seen.
func holderOf(ctx context.Context, port int) string {
	sockets, err := psnet.ConnectionsWithContext(ctx, "tcp")
	if err != nil {
		return ""
	}
	for _, s := range sockets {
		if s.Status != "LISTEN" || int(s.Laddr.Port) != port || s.Pid == 0 {
			continue
		}
		p, err := process.NewProcessWithContext(ctx, s.Pid)
		if err != nil {
			return fmt.Sprintf(" by process %d", s.Pid)
		}
		name, err := p.NameWithContext(ctx)
		if err != nil {
			return fmt.Sprintf(" by process %d", s.Pid)
		}
		return fmt.Sprintf(" by %s (process %d)", name, s.Pid)
	}
	return ""
}
