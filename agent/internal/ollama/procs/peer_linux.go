package procs

import (
	"bytes"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Clients returns who is connected to a TCP address of this machine: the
// addresses of their ends of the connections, and of those on this machine the
// processes, as far as the kernel lets us see them.
func Clients(addr netip.AddrPort) (ends []netip.AddrPort, processes []Process) {
	here := map[string]bool{} // sockets at the other end of which is addr
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		rows, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for line := range bytes.Lines(rows) {
			local, remote, inode, ok := parseEstablished(string(line))
			switch {
			case !ok:
			case local.Port() == addr.Port():
				ends = append(ends, netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port()))
			case remote.Port() == addr.Port() && remote.Addr().Unmap() == addr.Addr().Unmap():
				here["socket:["+inode+"]"] = true
			}
		}
	}
	if len(here) > 0 {
		processes = holders(here)
	}
	return ends, processes
}

// parseEstablished reads a row of /proc/net/tcp of a connection that stands.
func parseEstablished(line string) (local, remote netip.AddrPort, inode string, ok bool) {
	const localField, remoteField, stateField, inodeField = 1, 2, 3, 9
	const established = "01"
	f := strings.Fields(line)
	if len(f) <= inodeField || f[stateField] != established {
		return local, remote, "", false
	}
	local, wrong := parseHexAddr(f[localField])
	remote, err := parseHexAddr(f[remoteField])
	return local, remote, f[inodeField], wrong == nil && err == nil
}

// holders returns the processes that have one of these files open.
func holders(files map[string]bool) []Process {
	all, err := All()
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(all, func(p Process) bool {
		dir := "/proc/" + strconv.Itoa(p.PID) + "/fd"
		entries, err := os.ReadDir(dir)
		if err != nil {
			return true
		}
		return !slices.ContainsFunc(entries, func(e os.DirEntry) bool {
			target, err := os.Readlink(filepath.Join(dir, e.Name()))
			return err == nil && files[target]
		})
	})
}

// User returns the name of the user under whom the process runs, or the user's
// number where it has no name.
func (p Process) User() (string, error) {
	var st unix.Stat_t
	if err := unix.Stat("/proc/"+strconv.Itoa(p.PID), &st); err != nil {
		return "", ErrGone
	}
	id := strconv.Itoa(int(st.Uid))
	if known, err := user.LookupId(id); err == nil {
		return known.Username, nil
	}
	return id, nil
}

// Unit returns the systemd unit to which the process belongs, or "" where it
// belongs to none that is a service or a scope.
func (p Process) Unit() string {
	rows, err := os.ReadFile("/proc/" + strconv.Itoa(p.PID) + "/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(rows)) {
		path := line[strings.LastIndex(line, ":")+1:]
		for part := range strings.SplitSeq(strings.TrimSpace(path), "/") {
			if strings.HasSuffix(part, ".service") && !strings.HasPrefix(part, "user@") || strings.HasSuffix(part, ".scope") {
				return part
			}
		}
	}
	return ""
}
