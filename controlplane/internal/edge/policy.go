package edge

import (
	"net/netip"
	"time"
)

// Snapshot is the live part of the settings at one moment. It is read, never
// written, by many goroutines at once.
type Snapshot struct {
	// ProgressTimeout is how long the head of a request may take as a whole,
	// and how long a body may stand still while it is read or written. Zero is
	// DefaultProgressTimeout.
	ProgressTimeout time.Duration
	// MaxConnections is how many connections may be open, those of exempt
	// routes aside. Zero is no limit.
	MaxConnections int
	// AllowedIPs are the addresses that may call; empty is all. Loopback and
	// exempt routes are never locked out.
	AllowedIPs []netip.Prefix
	// CORSOrigins are the browsers' origins that may call beside the server's
	// own, such as "https://dashboard.example.com", or "*" for all that come
	// without credentials. Their host names count as names of this server.
	CORSOrigins []string
	// RatePerMinute is how many requests a key may make in a minute, and an address
	// without one. Public routes that only read are not counted. Zero is no limit.
	RatePerMinute int
	// RequireTLS refuses plain HTTP from anywhere but loopback.
	RequireTLS bool
}

// DefaultProgressTimeout stands where a snapshot says nothing.
const DefaultProgressTimeout = 30 * time.Second

func (p *Snapshot) progressTimeout() time.Duration {
	if p.ProgressTimeout > 0 {
		return p.ProgressTimeout
	}
	return DefaultProgressTimeout
}

// allows reports whether the settings let an address call at all.
func (p *Snapshot) allows(addr netip.Addr) bool {
	if len(p.AllowedIPs) == 0 || addr.IsLoopback() {
		return true
	}
	for _, prefix := range p.AllowedIPs {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}
