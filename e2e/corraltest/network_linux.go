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
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Network is where the hosts of a test have wires of their own, which can be
// cut. A control plane that listens at its address is reached by all of them.
type Network struct {
	Address string // of this end of every wire
	Hosts   []*NetworkHost
}

// NetworkHost is a network namespace with one wire to the outside.
type NetworkHost struct {
	t          testing.TB
	name       string // of the namespace
	wire       string // this end's device; the other end is hostDevice
	near, far  string // addresses of the ends
	nearMAC    string
	farMAC     string
	nobodysMAC string
}

// hostDevice is the name of a wire's end in its namespace.
const hostDevice = "eth0"

// NewNetwork makes a network until the end of the test. Where that may not be
// done, as without root, it logs why and returns nil, or fails the test if
// CORRAL_MUST_RUN names netns.
//
// Its addresses are of 198.18.0.0/15, which is for tests of networks and routed
// nowhere.
func NewNetwork(t testing.TB, hosts int) *Network {
	t.Helper()
	if err := mayMakeNetworks(); err != nil {
		if strings.Contains(os.Getenv("CORRAL_MUST_RUN"), "netns") {
			t.Fatalf("this test needs network namespaces: %v", err)
		}
		t.Logf("nothing is cut off by the network, which needs namespaces: %v", err)
		return nil
	}
	var random [2]byte
	_, _ = rand.Read(random[:]) // which never fails
	subnet := fmt.Sprintf("198.%d.%d.", 18+random[1]%2, random[0])
	n := &Network{Address: subnet + "1"}
	for i := range hosts {
		h := &NetworkHost{
			t: t, name: fmt.Sprintf("corral%02x%02x-%d", random[0], random[1], i),
			near: n.Address, far: fmt.Sprintf("%s%d", subnet, 10+i),
			nearMAC: "02:00:00:00:00:01", farMAC: "02:00:00:00:00:02", nobodysMAC: "02:00:00:00:00:03",
		}
		h.wire = h.name
		h.make()
		n.Hosts = append(n.Hosts, h)
	}
	return n
}

// mayMakeNetworks returns why no namespaces can be made here.
func mayMakeNetworks() error {
	if _, err := exec.LookPath("ip"); err != nil {
		return fmt.Errorf("%w; it is in the package iproute2", err)
	}
	name := "corral-" + rand.Text()[:8]
	if err := ip("netns", "add", name); err != nil {
		return fmt.Errorf("%w; only root may make them", err)
	}
	made := ip("link", "add", name, "type", "veth", "peer", "name", hostDevice, "netns", name)
	return errors.Join(made, ip("netns", "del", name))
}

// ip runs iproute2's program.
func ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (h *NetworkHost) make() {
	h.t.Helper()
	h.t.Cleanup(func() {
		// Without its namespace a wire ends a little later, by itself.
		if err := errors.Join(ip("link", "del", h.wire), ip("netns", "del", h.name)); err != nil {
			h.t.Error(err)
		}
	})
	for _, args := range [][]string{
		{"netns", "add", h.name},
		{"link", "add", h.wire, "address", h.nearMAC, "type", "veth", "peer", "name", hostDevice, "address", h.farMAC, "netns", h.name},
		{"address", "add", h.near, "peer", h.far, "dev", h.wire},
		{"link", "set", h.wire, "up"},
		{"-n", h.name, "link", "set", "lo", "up"},
		{"-n", h.name, "address", "add", h.far, "peer", h.near, "dev", hostDevice},
		{"-n", h.name, "link", "set", hostDevice, "up"},
	} {
		if err := ip(args...); err != nil {
			h.t.Fatal(err)
		}
	}
	h.Join()
}

// Cut has whatever is sent through the wire vanish, in both directions: neither
// end hears of it, as the frames go to an address that nobody has.
func (h *NetworkHost) Cut() {
	h.t.Helper()
	h.neighbours(h.nobodysMAC, h.nobodysMAC)
}

// Join ends a [NetworkHost.Cut].
func (h *NetworkHost) Join() {
	h.t.Helper()
	h.neighbours(h.nearMAC, h.farMAC)
}

// neighbours tells each end the other one's hardware address.
func (h *NetworkHost) neighbours(nearMAC, farMAC string) {
	h.t.Helper()
	if err := errors.Join(
		ip("neighbour", "replace", h.far, "lladdr", farMAC, "nud", "permanent", "dev", h.wire),
		ip("-n", h.name, "neighbour", "replace", h.near, "lladdr", nearMAC, "nud", "permanent", "dev", hostDevice),
	); err != nil {
		h.t.Fatal(err)
	}
}

// command returns how a program is started on the host, as which it runs then.
func (h *NetworkHost) command(c Command) Command {
	c.Args = append([]string{"netns", "exec", h.name, c.Path}, c.Args...)
	c.Path = "ip"
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
		there, err := os.Open("/run/netns/" + h.name)
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
		h.t.Fatalf("listen in the namespace %s: %v", h.name, err)
	}
	return listener
}
