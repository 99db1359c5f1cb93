package controlplane

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// holderOfClaim returns the process that serves from a data directory, 0 where none
// does. It asks the kernel who has the lock: trying it would keep out a server that
// starts just then.
func holderOfClaim(dir string) int {
	info, err := os.Stat(filepath.Join(dir, claimFile))
	if err != nil {
		return 0
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	locks, err := os.ReadFile("/proc/locks")
	if !ok || err != nil {
		return 0
	}
	inode := ":" + strconv.FormatUint(stat.Ino, 10)
	for line := range strings.Lines(string(locks)) {
		// 1: FLOCK  ADVISORY  WRITE 4711 08:01:131090 0 EOF
		fields := strings.Fields(line)
		if len(fields) < 6 || fields[1] != "FLOCK" || !strings.HasSuffix(fields[5], inode) {
			continue
		}
		if pid, err := strconv.Atoi(fields[4]); err == nil && pid > 0 {
			return pid
		}
	}
	return 0
}

// openFiles returns how many files a process may have open, 0 where that cannot
// be seen. What it could raise its limit to counts, as Go's programs do so.
func openFiles(pid string) uint64 {
	text, err := os.ReadFile("/proc/" + pid + "/limits")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte("Max open files")); ok {
			if fields := bytes.Fields(rest); len(fields) > 1 {
				n, err := strconv.ParseUint(string(fields[1]), 10, 64)
				if err == nil {
					return n
				}
			}
		}
	}
	return 0
}
