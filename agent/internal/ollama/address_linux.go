package ollama

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"github.com/corral-fleet/corral/agent/internal/ollama/procs"
)

// claim returns the address to serve on: the wanted one, or one with a free
// port for port 0. It returns errTaken when somebody listens there already. The
// address is not held; between here and Ollama's own claim it can still be lost.
func claim(ctx context.Context, host string, port uint16) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(int(port))))
	if errors.Is(err, syscall.EADDRINUSE) {
		return "", errTaken
	}
	if err != nil {
		return "", fmt.Errorf("claim the address of ollama: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

var errTaken = errors.New("somebody listens there already")

// ownerOf says in words who listens on an address.
func ownerOf(host string, port uint16) string {
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return "another program"
	}
	p, ok := procs.Listener(netip.AddrPortFrom(ip, port))
	if !ok {
		return "another program, probably of another user"
	}
	return fmt.Sprintf("%s (process %d)", p.Name, p.PID)
}

// listensElsewhere reports whether another process than pid is known to listen
// on an address. Where the kernel does not tell, it is not known.
func listensElsewhere(hostPort string, pid int) bool {
	addr, err := netip.ParseAddrPort(hostPort)
	if err != nil {
		return false
	}
	p, ok := procs.Listener(addr)
	return ok && p.PID != pid
}
