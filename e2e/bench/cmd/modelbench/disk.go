package main

import (
	"errors"
	"io/fs"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// diskEvery is how often the use of a disk is looked at: a file of gigabytes is there for
// many times as long.
const diskEvery = 50 * time.Millisecond

// inode is a file by whatever name.
type inode struct {
	device, number uint64
}

// diskUse returns how many bytes of their disks the files in folders take, one with
// several names once, and files that are in without as well none.
func diskUse(folders []string, without map[inode]bool) (bytes int64, err error) {
	seen := map[inode]bool{}
	err = walk(folders, func(id inode, blocks int64) {
		if !seen[id] && !without[id] {
			seen[id] = true
			bytes += blocks * 512
		}
	})
	return bytes, err
}

// inodes returns the files in a folder.
func inodes(folder string) (map[inode]bool, error) {
	found := map[inode]bool{}
	err := walk([]string{folder}, func(id inode, _ int64) { found[id] = true })
	return found, err
}

// walk visits the files in folders. Those that go meanwhile are left out.
func walk(folders []string, visit func(id inode, blocks int64)) error {
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() {
				var info fs.FileInfo
				if info, err = entry.Info(); err == nil {
					if is, ok := info.Sys().(*syscall.Stat_t); ok {
						visit(inode{is.Dev, is.Ino}, is.Blocks)
					}
				}
			}
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// diskWatch follows the use of folders.
type diskWatch struct {
	folders []string
	without map[inode]bool
	stop    chan struct{}
	ended   sync.WaitGroup
	peak    int64
	err     error
}

// watchDisk begins to look at folders, but for files that are in without.
func watchDisk(folders []string, without map[inode]bool) *diskWatch {
	w := &diskWatch{folders: folders, without: without, stop: make(chan struct{})}
	w.ended.Go(func() {
		every := time.NewTicker(diskEvery)
		defer every.Stop()
		for {
			w.look()
			select {
			case <-every.C:
			case <-w.stop:
				return
			}
		}
	})
	return w
}

func (w *diskWatch) look() {
	use, err := diskUse(w.folders, w.without)
	w.peak = max(w.peak, use)
	if err != nil {
		w.err = err
	}
}

// end ends the watch, and returns the most that there was and what there is now.
func (w *diskWatch) end() (peak, now int64, err error) {
	close(w.stop)
	w.ended.Wait()
	w.look()
	now, err = diskUse(w.folders, w.without)
	return w.peak, now, errors.Join(w.err, err)
}
