package hostmetrics

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v3/disk"

	"github.com/corral-fleet/corral/sdk/wire"
)

// mountTable holds the last known sizes of the mounted file systems.
type mountTable struct {
	listing outage // of the list itself; touched by the background alone

	mu   sync.Mutex
	rows []*mountRow // in the order of listMounts
}

// mountRow is one file system. The background replaces the rows of file systems
// that are mounted anew, so a late answer never counts for another one.
type mountRow struct {
	mount
	outage outage // touched by the background alone

	readAt time.Time // zero until the first answer; guarded by the table
	size   wire.Disk
	err    error // of the last answer
}

// refreshMounts asks every file system for its size.
func (s *Sampler) refreshMounts(ctx context.Context) {
	list, err := listMounts(ctx)
	s.mounts.listing.note(s.log, "mounts", err)
	if err != nil {
		return
	}
	for _, row := range s.mounts.adopt(list) {
		if ctx.Err() != nil {
			return
		}
		l := s.attempts.local
		if row.remote() {
			l = s.attempts.remote
		}
		err := l.try(row.path, func() { s.askMount(ctx, row) })
		if err == nil {
			err = s.mounts.lastError(row)
		}
		row.outage.note(s.log, "disk", err, "mount", row.path)
	}
}

func (s *Sampler) askMount(ctx context.Context, row *mountRow) {
	usage, err := s.usage(ctx, row.path)
	if err == nil && usage.Used > usage.Total {
		err = fmt.Errorf("%d bytes used, of %d", usage.Used, usage.Total)
	}
	s.mounts.store(row, usage, err, s.now())
}

// adopt makes list the table's rows, keeping what is known of those that stay.
func (t *mountTable) adopt(list []mount) []*mountRow {
	t.mu.Lock()
	defer t.mu.Unlock()
	known := make(map[mount]*mountRow, len(t.rows))
	for _, row := range t.rows {
		known[row.mount] = row
	}
	rows := make([]*mountRow, len(list))
	for i, m := range list {
		rows[i] = known[m]
		if rows[i] == nil {
			rows[i] = &mountRow{mount: m}
		}
	}
	t.rows = rows
	return rows
}

func (t *mountTable) store(row *mountRow, usage *disk.UsageStat, err error, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	row.err = err
	if err != nil {
		return
	}
	row.readAt = now
	row.size = wire.Disk{
		Mount:      row.path,
		Device:     row.device,
		FileSystem: row.fileSystem,
		TotalBytes: usage.Total,
		UsedBytes:  usage.Used,
		FreeBytes:  usage.Free,
	}
}

func (t *mountTable) lastError(row *mountRow) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return row.err
}

// appendFresh appends the sizes that are not stale. A file system without any
// size is one that stores nothing, whatever it is called.
func (t *mountTable) appendFresh(dst []wire.Disk, now time.Time) []wire.Disk {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, row := range t.rows {
		if row.size.TotalBytes > 0 && now.Sub(row.readAt) <= staleAfter {
			dst = append(dst, row.size)
		}
	}
	return dst
}
