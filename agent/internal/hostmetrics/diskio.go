package hostmetrics

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/shirou/gopsutil/v3/disk"

	"github.com/corral-fleet/corral/sdk/wire"
)

// readDiskIO fills in the counters of block devices: whole disks first, then
// what is stacked on them (device mapper, RAID), each by name. The two overlap,
// so their sum means nothing.
//
// Partitions, loop, RAM, floppy and optical devices are left out, and what
// never did any I/O.
//
// The context must name a device folder that does not exist: gopsutil looks up
// each device's serial number and label, nobody needs them here, and without
// the folder it gives up at once.
func readDiskIO(ctx context.Context, dst *[]wire.DiskIO) error {
	devices, err := guarded(func() (map[string]disk.IOCountersStat, error) { return disk.IOCountersWithContext(ctx) })
	if err != nil {
		return err
	}
	for name, c := range devices {
		if unrealBlockDevice(name) || partition(name, devices) {
			continue
		}
		*dst = append(*dst, wire.DiskIO{
			Device:       name,
			ReadBytes:    c.ReadBytes,
			WrittenBytes: c.WriteBytes,
			BusyMillis:   c.IoTime,
		})
	}
	slices.SortFunc(*dst, func(a, b wire.DiskIO) int {
		if c := cmp.Compare(stacked(a.Device), stacked(b.Device)); c != 0 {
			return c
		}
		return cmp.Compare(a.Device, b.Device)
	})
	*dst = (*dst)[:min(len(*dst), MaxRows)]
	return nil
}

// unrealBlockDevice reports whether a block device's name, without its folder,
// is that of one which stores nothing of its own or is taken out by hand.
func unrealBlockDevice(name string) bool {
	for _, prefix := range [...]string{"loop", "ram", "zram", "fd", "sr"} {
		if number, ok := strings.CutPrefix(name, prefix); ok && digits(number) {
			return true
		}
	}
	return false
}

// partition reports whether name is a partition of another device. A disk whose
// name ends in a digit sets its partitions off by a "p". Some virtual machines
// have partitions without a disk; these count as disks.
func partition(name string, devices map[string]disk.IOCountersStat) bool {
	base := strings.TrimRight(name, "0123456789")
	if base == name || base == "" {
		return false
	}
	if _, ok := devices[base]; ok {
		return true
	}
	base, ok := strings.CutSuffix(base, "p")
	if !ok || base == "" || !digits(base[len(base)-1:]) {
		return false
	}
	_, ok = devices[base]
	return ok
}

// stacked is 1 for a device that is made of others, and 0 for a disk.
func stacked(name string) int {
	if strings.HasPrefix(name, "dm-") || strings.HasPrefix(name, "md") {
		return 1
	}
	return 0
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
