package config

import (
	"net"
	"strconv"

	"github.com/corral-fleet/corral/sdk/config"
)

// Peer is whether other hosts get models from this one, and how. What they may read, the
// control plane says for each.
type Peer struct {
	Listen   string      `yaml:"listen" help:"where other hosts get models from this one's Ollama, host:port; empty is nowhere"`
	Address  string      `yaml:"address" help:"host:port by which other hosts reach that; empty is what it listens on"`
	SendRate config.Size `yaml:"send_rate" help:"bytes a second of models that are sent to other hosts, all together; 0 is no limit"`
}

// Validate implements [config.Validator].
func (p *Peer) Validate(report config.Report) {
	if p.SendRate < 0 {
		report("send_rate", "%d is negative", p.SendRate)
	}
	if p.Listen == "" {
		if p.Address != "" {
			report("address", "nothing listens there without peer.listen")
		}
		return
	}
	host, port, err := net.SplitHostPort(p.Listen)
	if err != nil || port == "" || !portInRange(port, 0) {
		report("listen", "%q is not host:port", p.Listen)
		return
	}
	if p.Address == "" {
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			report("address", "is needed, since peer.listen names no address by which other hosts could reach this one")
		}
		return
	}
	host, port, err = net.SplitHostPort(p.Address)
	if n, bad := strconv.Atoi(port); err != nil || bad != nil || n < 1 || n > 65535 || host == "" || len(host) > 253 || nameFault(host) != "" {
		report("address", "%q is not host:port", p.Address)
	}
}
