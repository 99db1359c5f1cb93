//go:build !linux

package nowait

import "net"

// Wrap returns c: only on Linux is anything gained.
func Wrap(c net.Conn) net.Conn { return c }
