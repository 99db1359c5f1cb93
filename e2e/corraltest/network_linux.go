package corraltest

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Network is where the hosts of a test have wires of their own, which can be
// cut. A control plane that listens at its address is reached by all of them.
type Network struct {
	Address string // of this end of every wire
	Hosts   []*NetworkHost
}

// NetworkHost is a network namespace with one wire to the outside. It has no name
// but lives by the processes in it, so that it ends by itself when a test is killed.
type NetworkHost struct {
	t         testing.TB
	namespace string // a file that stands for it
	wire      string // this end's device; the other end is hostDevice
	near, far string // addresses of the ends
}

// hostDevice is the name of a wire's end in its namespace.
const hostDevice = "eth0"

// The hardware addresses of a wire's ends, and one that nobody has.
const (
	nearMAC   = "02:00:00:00:00:01"
	farMAC    = "02:00:00:00:00:02"
	nobodyMAC = "02:00:00:00:00:03"
)

// Network makes a network until the end of the test. Where that may not be done,
// as without root, it logs why and returns nil, or fails the test if
// CORRAL_MUST_RUN names netns.
//
// Its addresses are of 198.18.0.0/15, which is for tests of networks and routed
// nowhere.
func (l *Lab) Network(hosts int) *Network {
	l.T.Helper()
	if err := mayMakeNetworks(); err != nil {
		if strings.Contains(os.Getenv("CORRAL_MUST_RUN"), "netns") {
			l.T.Fatalf("this test needs network namespaces: %v", err)
		}
		l.T.Logf("nothing is cut off by the network, which needs namespaces: %v", err)
		return nil
	}
	var random [2]byte
	_, _ = rand.Read(random[:]) // which never fails
	subnet := fmt.Sprintf("198.%d.%d.", 18+random[1]%2, random[0])
	n := &Network{Address: subnet + "1"}
	for i := range hosts {
		inside := l.Start(Command{Path: "sleep", Args: []string{"infinity"}, namespace: true})
		l.T.Cleanup(inside.Kill)
		h := &NetworkHost{
			t: l.T, namespace: fmt.Sprintf("/proc/%d/ns/net", inside.PID), wire: fmt.Sprintf("corral%02x%02x-%d", random[0], random[1], i),
			near: n.Address, far: fmt.Sprintf("%s%d", subnet, 10+i),
		}
		h.connect(inside.PID)
		n.Hosts = append(n.Hosts, h)
	}
	return n
}

// mayMakeNetworks returns why no namespaces or wires can be made here.
func mayMakeNetworks() error {
	for program, pkg := range map[string]string{"ip": "iproute2", "nsenter": "util-linux"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%w; it is in the package %s", err, pkg)
		}
	}
	inside := exec.Command("true")
	inside.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if err := inside.Run(); err != nil {
		return fmt.Errorf("only root may make them: %w", err)
	}
	wire := "corral" + rand.Text()[:8]
	return cmp.Or(ip("link", "add", wire, "type", "veth"), ip("link", "del", wire))
}

// ip runs iproute2's program.
func ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// inside runs iproute2's program in the namespace.
func (h *NetworkHost) inside(args ...string) error {
	args = append([]string{"--net=" + h.namespace, "ip"}, args...)
	if out, err := exec.Command("nsenter", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("nsenter %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// connect puts up the wire into the namespace of a process.
func (h *NetworkHost) connect(pid int) {
	h.t.Helper()
	err := ip("link", "add", h.wire, "address", nearMAC, "type", "veth",
		"peer", "name", hostDevice, "address", farMAC, "netns", strconv.Itoa(pid))
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		if err := ip("link", "del", h.wire); err != nil {
			h.t.Error(err)
		}
	})
	if err := errors.Join(
		ip("address", "add", h.near, "peer", h.far, "dev", h.wire),
		ip("link", "set", h.wire, "up"),
		h.inside("link", "set", "lo", "up"),
		h.inside("address", "add", h.far, "peer", h.near, "dev", hostDevice),
		h.inside("link", "set", hostDevice, "up"),
	); err != nil {
		h.t.Fatal(err)
	}
	h.Join()
}

// Cut has whatever is sent through the wire vanish, in both directions: neither
// end hears of it, as the frames go to an address that nobody has.
func (h *NetworkHost) Cut() {
	h.t.Helper()
	h.neighbours(nobodyMAC, nobodyMAC)
}

// Join ends a [NetworkHost.Cut].
func (h *NetworkHost) Join() {
	h.t.Helper()
	h.neighbours(nearMAC, farMAC)
}

// neighbours tells each end the other one's hardware address.
func (h *NetworkHost) neighbours(near, far string) {
	h.t.Helper()
	if err := errors.Join(
		ip("neighbour", "replace", h.far, "lladdr", far, "nud", "permanent", "dev", h.wire),
		h.inside("neighbour", "replace", h.near, "lladdr", near, "nud", "permanent", "dev", hostDevice),
	); err != nil {
		h.t.Fatal(err)
	}
}

// command returns how a program is started on the host, as which it runs then.
func (h *NetworkHost) command(c Command) Command {
	c.Args = append([]string{"--net=" + h.namespace, c.Path}, c.Args...)
	c.Path = "nsenter"
	return c
}

// Listen listens on a free port of the host's own loopback, which a wire that is
// cut does not concern. Connections from there go on from where the test runs.
func (h *NetworkHost) Listen() net.Listener {
	h.t.Helper()
	var listener net.Listener
	done := make(chan error)
	go func() {
		// A thread that can't be led back ends with its goroutine.
		runtime.LockOSThread()
		home, err := os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
		if err != nil {
			done <- err
			return
		}
		defer home.Close()
		there, err := os.Open(h.namespace)
		if err != nil {
			done <- err
			return
		}
		defer there.Close()
		if err = unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err == nil {
			listener, err = net.Listen("tcp", "127.0.0.1:0")
			err = cmp.Or(err, unix.Setns(int(home.Fd()), unix.CLONE_NEWNET))
		}
		if err == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		h.t.Fatalf("listen in a namespace: %v", err)
	}
	return listener
}
