package hostmetrics

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/shirou/gopsutil/v3/net"

	"github.com/corral-fleet/corral/sdk/wire"
)

// readNetworks fills in the counters of network interfaces, by name.
//
// Left out are the loopback and what container runtimes, hypervisors and
// overlay networks make: their ends (veth…, vnet…, tap…, cali…, lxc…), their
// bridges (docker…, br- with a hash, virbr…, cni…, podman…) and the kernel's
// helpers (ifb…, dummy…). What they carry leaves the host through another
// interface or not at all. An operator's own bridges, bonds and tunnels stay.
func readNetworks(ctx context.Context, dst *[]wire.Network) error {
	rows, err := guarded(func() ([]net.IOCountersStat, error) { return net.IOCountersWithContext(ctx, true) })
	if err != nil {
		return err
	}
	for i := range rows {
		r := &rows[i]
		if internalInterface(r.Name) {
			continue
		}
		*dst = append(*dst, wire.Network{
			Interface:     r.Name,
			ReceivedBytes: r.BytesRecv,
			SentBytes:     r.BytesSent,
			Errors:        r.Errin + r.Errout,
			Dropped:       r.Dropin + r.Dropout,
		})
	}
	slices.SortFunc(*dst, func(a, b wire.Network) int { return cmp.Compare(a.Interface, b.Interface) })
	*dst = (*dst)[:min(len(*dst), MaxRows)]
	return nil
}

// internalInterface reports whether traffic on an interface with this name
// stays within the host or is counted elsewhere.
func internalInterface(name string) bool {
	if name == "lo" {
		return true
	}
	for _, prefix := range [...]string{
		"veth", "vnet", "tap", "cali", "lxc", "lxd", "docker", "virbr", "cni", "podman",
		"nerdctl", "flannel", "cilium", "kube-", "ifb", "dummy", "tunl", "gretap", "sit",
	} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	hash, ok := strings.CutPrefix(name, "br-") // Docker's; an operator's br-lan is no hash
	return ok && len(hash) == 12 && strings.Trim(hash, "0123456789abcdef") == ""
}
