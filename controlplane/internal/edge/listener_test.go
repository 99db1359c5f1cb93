package edge

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"

	"github.com/corral-fleet/corral/sdk/fault"
)

// exhausted is a listener without descriptors for its first few accepts.
type exhausted struct {
	net.Listener
	failures []error
}

func (e *exhausted) Accept() (net.Conn, error) {
	if len(e.failures) == 0 {
		return nil, net.ErrClosed
	}
	err := e.failures[0]
	e.failures = e.failures[1:]
	return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", err)}
}

func TestAcceptOutlivesShortages(t *testing.T) {
	policy := &Snapshot{}
	shortages := []error{syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED}
	l := newListener(&exhausted{failures: shortages}, nil, func() *Snapshot { return policy })
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept gave up with %v", err)
	}
}

// What loopback is spared, others are not.
func TestAdmissionOfRemoteAddresses(t *testing.T) {
	office := netip.MustParsePrefix("198.51.100.0/24")
	for _, c := range []struct {
		name   string
		policy Snapshot
		remote string
		tls    bool
		route  *Route
		want   fault.Kind
	}{
		{"all may", Snapshot{}, "192.0.2.1", false, &Route{}, fault.None},
		{"listed", Snapshot{AllowedIPs: []netip.Prefix{office}}, "198.51.100.7", false, &Route{}, fault.None},
		{"not listed", Snapshot{AllowedIPs: []netip.Prefix{office}}, "192.0.2.1", false, &Route{}, fault.Forbidden},
		{"not listed, no route", Snapshot{AllowedIPs: []netip.Prefix{office}}, "192.0.2.1", false, nil, fault.Forbidden},
		{"an agent", Snapshot{AllowedIPs: []netip.Prefix{office}}, "192.0.2.1", false, &Route{Exempt: true}, fault.None},
		{"plain", Snapshot{RequireTLS: true}, "192.0.2.1", false, &Route{}, fault.Forbidden},
		{"an agent, plain", Snapshot{RequireTLS: true}, "192.0.2.1", false, &Route{Exempt: true}, fault.Forbidden},
		{"secure", Snapshot{RequireTLS: true}, "192.0.2.1", true, &Route{}, fault.None},
		{"plain from loopback", Snapshot{RequireTLS: true}, "::1", false, &Route{}, fault.None},
	} {
		owner := newListener(nil, nil, nil)
		a := &admission{
			conn:    &conn{owner: owner, remote: netip.MustParseAddr(c.remote)},
			policy:  &c.policy,
			request: &Request{TLS: c.tls},
		}
		if got := fault.KindOf((&Server{}).admitConn(a, c.route)); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
