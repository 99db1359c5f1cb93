package sqlite

import (
	"context"
	"errors"
	"os"
	"time"
)

const (
	maintainInterval = 30 * time.Second
	// journalAlarm is the size past which something is wrong: a reader that
	// stays, or a disk that can't keep up.
	journalAlarm = 256 << 20 // bytes
	// checkpointBusy keeps a checkpoint from holding up writers while it waits
	// for readers to go.
	checkpointBusy = 100 * time.Millisecond
)

// Run keeps the journal small until ctx ends, which is not an error: it empties
// the journal whenever nothing was written for a while, or when it has grown
// past its limit.
func (d *database) Run(ctx context.Context) error {
	ticker := time.NewTicker(maintainInterval)
	defer ticker.Stop()
	seen := d.writer.commits.Load()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		commits := d.writer.commits.Load()
		d.maintain(ctx, commits == seen)
		seen = commits
	}
}

// maintain empties the journal if it is time to, and logs what keeps it from that.
func (d *database) maintain(ctx context.Context, idle bool) {
	size := d.journalBytes()
	if size == 0 || (!idle && size <= journalLimit) {
		return
	}
	if err := d.checkpoint(ctx); err != nil && ctx.Err() == nil {
		d.logger.Warn("journal could not be emptied", "error", err, "journal_bytes", size)
		return
	}
	if size := d.journalBytes(); size > journalAlarm {
		d.logger.Warn("journal grows", "journal_bytes", size, "alarm_bytes", journalAlarm)
	}
}

func (d *database) journalBytes() int64 {
	info, err := os.Stat(d.path + "-wal")
	if err != nil {
		return 0 // no journal, nothing to empty
	}
	return info.Size()
}

// checkpoint moves the journal into the file and cuts it to nothing. Where
// readers or writers are in the way it does what it can; the next one goes on.
func (d *database) checkpoint(ctx context.Context) (err error) {
	pool := connect(d.path, writing(checkpointBusy), 1)
	defer func() { err = errors.Join(err, pool.Close()) }()
	var busy, frames, moved int
	return pool.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &moved)
}
