package settings

import (
	"fmt"
	"net/netip"
	"strings"
)

const apiKeyRequired = "security.api_key_required"

// opensTo reports whether a server that listens on host would let anybody in:
// no key is asked for, no address is turned away, and callers can come from
// elsewhere. A server that was started as insecure may.
func (c *Config) opensTo(host string) bool {
	s := c.App.Security
	return !s.APIKeyRequired && len(s.AllowedIPs) == 0 && !c.Insecure && !isLoopback(host)
}

func openMessage(host string) string {
	return fmt.Sprintf("cannot be false while the server listens on %s, beyond loopback, and security.allowed_ips is empty; "+
		"list the addresses that may call, or start the server with --insecure", host)
}

// isLoopback reports whether only this machine can reach a listener on host. A
// name may resolve to anything, so that of the machine itself is the only one trusted.
func isLoopback(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().IsLoopback()
	}
	return strings.EqualFold(host, "localhost")
}
