package hostmetrics

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/shirou/gopsutil/v3/disk"
)

// mount is a file system that is worth a row.
type mount struct {
	path, device, fileSystem string
}

// listMounts returns the mounted file systems that store something, the
// shallowest first.
//
// Left out are pseudo file systems and those in memory; read-only images
// (squashfs and the like, always full); loop and RAM devices; a container's
// layers (an overlay anywhere but at /) and the three files that runtimes mount
// into each container. A device that is mounted in several places has one row:
// where the whole of it is mounted, and of several such places the shallowest.
func listMounts(ctx context.Context) ([]mount, error) {
	all, err := guarded(func() ([]disk.PartitionStat, error) { return disk.PartitionsWithContext(ctx, true) })
	if err != nil {
		return nil, err
	}
	slices.Reverse(all) // of mounts on top of each other, the last is what a path leads to
	seen := make(map[string]bool, len(all))
	all = slices.DeleteFunc(all, func(p disk.PartitionStat) bool {
		hidden := seen[p.Mountpoint]
		seen[p.Mountpoint] = true
		return hidden || !stores(p)
	})
	slices.SortFunc(all, func(a, b disk.PartitionStat) int {
		return cmp.Or(
			cmp.Compare(bind(a), bind(b)),
			cmp.Compare(depth(a.Mountpoint), depth(b.Mountpoint)),
			cmp.Compare(a.Mountpoint, b.Mountpoint),
		)
	})

	var mounts []mount
	devices := make(map[string]bool, len(all))
	for _, p := range all {
		if !devices[p.Device] {
			devices[p.Device] = true
			mounts = append(mounts, mount{path: p.Mountpoint, device: p.Device, fileSystem: p.Fstype})
		}
	}
	slices.SortFunc(mounts, func(a, b mount) int {
		return cmp.Or(cmp.Compare(depth(a.path), depth(b.path)), cmp.Compare(a.path, b.path))
	})
	return mounts[:min(len(mounts), MaxRows)], nil
}

// stores reports whether a mount is more than a view of something else.
func stores(p disk.PartitionStat) bool {
	switch p.Fstype {
	case "autofs", "bdev", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "cpuset", "debugfs",
		"devfs", "devpts", "devtmpfs", "efivarfs", "fusectl", "hugetlbfs", "mqueue", "nfsd", "nsfs",
		"pipefs", "proc", "pstore", "ramfs", "resctrl", "rootfs", "rpc_pipefs", "securityfs",
		"selinuxfs", "sockfs", "sysfs", "tmpfs", "tracefs", // pseudo and memory; autofs would mount when asked
		"squashfs", "iso9660", "erofs", "cramfs", "udf", // images
		"fuse.gvfsd-fuse", "fuse.portal", "fuse.lxcfs", "fuse.snapfuse":
		return false
	case "overlay", "aufs", "fuse.fuse-overlayfs":
		return p.Mountpoint == "/"
	}
	switch p.Mountpoint {
	case "/etc/hosts", "/etc/hostname", "/etc/resolv.conf":
		return false
	}
	device, ok := strings.CutPrefix(p.Device, "/dev/")
	return !ok || !unrealBlockDevice(device)
}

// remote reports whether a server elsewhere must answer for a file system.
func (m mount) remote() bool {
	switch m.fileSystem {
	case "nfs", "nfs4", "cifs", "smb3", "ceph", "lustre", "beegfs", "gpfs", "glusterfs", "afs", "9p", "virtiofs":
		return true
	}
	return strings.HasPrefix(m.fileSystem, "fuse")
}

// bind is 1 for a mount of a part of a file system, and 0 for one of the whole.
func bind(p disk.PartitionStat) int {
	if slices.Contains(p.Opts, "bind") {
		return 1
	}
	return 0
}

func depth(path string) int {
	if path == "/" {
		return 0
	}
	return strings.Count(path, "/")
}
