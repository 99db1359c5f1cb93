package survey

import (
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Disk is the file system of a folder that is of interest.
type Disk struct {
	Folder                string // as it was asked for; it may be missing yet
	TotalBytes, FreeBytes uint64 // free to who is not root
}

// DiskOf returns the file system on which a folder is, or would be.
func DiskOf(folder string) (Disk, error) {
	at, err := filepath.Abs(folder)
	if err != nil {
		return Disk{}, err
	}
	for {
		if _, err := os.Stat(at); err == nil || at == filepath.Dir(at) {
			break
		}
		at = filepath.Dir(at)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(at, &st); err != nil {
		return Disk{}, err
	}
	block := uint64(st.Bsize)
	return Disk{Folder: folder, TotalBytes: st.Blocks * block, FreeBytes: st.Bavail * block}, nil
}

func disks(folders []string) []Disk {
	var list []Disk
	for _, folder := range slices.Compact(slices.Clone(folders)) {
		if disk, err := DiskOf(folder); err == nil {
			list = append(list, disk)
		}
	}
	return list
}
