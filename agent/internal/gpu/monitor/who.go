package monitor

import (
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"
)

// initialNamespace is what the kernel calls the namespace of process numbers that
// it starts with, in which drivers count as well.
const initialNamespace = "pid:[4026531836]"

// HostNumbers reports whether this program counts processes as the driver does,
// which it doesn't in a container with numbers of its own.
func HostNumbers() bool {
	namespace, err := os.Readlink("/proc/self/ns/pid")
	return err == nil && namespace == initialNamespace
}

// whoIs returns whose a process is and what its program is called, as far as that
// is known. Its command line is nobody's business.
func whoIs(pid uint32) (owner, name string) {
	if !HostNumbers() {
		return "", ""
	}
	dir := "/proc/" + strconv.FormatUint(uint64(pid), 10)
	info, err := os.Stat(dir)
	if err != nil {
		return "", ""
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		owner = strconv.FormatUint(uint64(st.Uid), 10)
		if u, err := user.LookupId(owner); err == nil {
			owner = u.Username
		}
	}
	comm, err := os.ReadFile(dir + "/comm")
	if err != nil {
		return owner, ""
	}
	return owner, printable(strings.TrimSpace(string(comm)))
}

// printable replaces what could do something to a terminal: a process chooses its
// own name.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
