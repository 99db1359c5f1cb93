package procs

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Listener returns the process that listens on the TCP address, or else one
// that listens on its port on every address. It returns false when there is none or
// when the kernel does not let us see it, as with processes of other users.
func Listener(addr netip.AddrPort) (Process, bool) {
	exact, wildcard := map[string]bool{}, map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		rows, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for line := range bytes.Lines(rows) {
			local, inode, ok := parseListening(string(line))
			switch {
			case !ok || local.Port() != addr.Port():
			case local.Addr().Unmap() == addr.Addr().Unmap():
				exact["socket:["+inode+"]"] = true
			case local.Addr().IsUnspecified():
				wildcard["socket:["+inode+"]"] = true
			}
		}
	}
	inodes := exact
	if len(exact) == 0 {
		inodes = wildcard
	}
	if len(inodes) == 0 {
		return Process{}, false
	}
	all, err := All()
	if err != nil {
		return Process{}, false
	}
	for _, p := range all {
		dir := "/proc/" + strconv.Itoa(p.PID) + "/fd"
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if target, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil && inodes[target] {
				return p, true
			}
		}
	}
	return Process{}, false
}

// parseListening reads a row of /proc/net/tcp and returns the local address
// and the socket's inode if the socket listens.
func parseListening(line string) (local netip.AddrPort, inode string, ok bool) {
	const localField, stateField, inodeField = 1, 3, 9
	const listening = "0A"
	f := strings.Fields(line)
	if len(f) <= inodeField || f[stateField] != listening {
		return netip.AddrPort{}, "", false
	}
	local, err := parseHexAddr(f[localField])
	return local, f[inodeField], err == nil
}

// parseHexAddr reads an address such as 0100007F:2CAA: words of four bytes in
// the machine's order, then the port.
func parseHexAddr(s string) (netip.AddrPort, error) {
	host, port, _ := strings.Cut(s, ":")
	raw, err := hex.DecodeString(host)
	if err != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, fmt.Errorf("malformed address %q", s)
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	addr, ok := netip.AddrFromSlice(raw)
	n, err := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil {
		return netip.AddrPort{}, fmt.Errorf("malformed address %q", s)
	}
	return netip.AddrPortFrom(addr, uint16(n)), nil
}

// ListensEverywhere reports whether somebody listens on a TCP port beyond loopback.
func ListensEverywhere(port uint16) bool {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		rows, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for line := range bytes.Lines(rows) {
			if local, _, ok := parseListening(string(line)); ok && local.Port() == port && !local.Addr().Unmap().IsLoopback() {
				return true
			}
		}
	}
	return false
}
