package corraltest

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Disk is a disk of a test's own, as small as it has to be, which takes no more memory
// than what is on it.
type Disk struct {
	Path string

	lab *Lab
}

// Disk makes a disk of so many bytes until the end of the test. Where that may not be
// done, as without root, it skips the test, or fails it if CORRAL_MUST_RUN names mounts.
func (l *Lab) Disk(name string, sizeBytes int64) *Disk {
	l.T.Helper()
	d := &Disk{Path: l.Folder(name), lab: l}
	if err := os.Mkdir(d.Path, 0o700); err != nil {
		l.T.Fatal(err)
	}
	if err := unix.Mount("tmpfs", d.Path, "tmpfs", 0, fmt.Sprintf("size=%d,mode=700", sizeBytes)); err != nil {
		if strings.Contains(os.Getenv("CORRAL_MUST_RUN"), "mounts") {
			l.T.Fatalf("this test needs a disk of its own: %v", err)
		}
		l.T.Skipf("this test needs a disk of its own: %v", err)
	}
	l.T.Cleanup(func() {
		if err := unix.Unmount(d.Path, unix.MNT_DETACH); err != nil {
			l.T.Error(err)
		}
	})
	return d
}

// Resize gives the disk another size, which may not be less than what is on it.
func (d *Disk) Resize(sizeBytes int64) {
	d.lab.T.Helper()
	if err := unix.Mount("tmpfs", d.Path, "tmpfs", unix.MS_REMOUNT, fmt.Sprintf("size=%d,mode=700", sizeBytes)); err != nil {
		d.lab.T.Fatalf("resize a disk: %v", err)
	}
}

// Fill leaves no room on the disk beside what is on it.
func (d *Disk) Fill() {
	d.lab.T.Helper()
	for { // what is written meanwhile makes it too small
		var now unix.Statfs_t
		if err := unix.Statfs(d.Path, &now); err != nil {
			d.lab.T.Fatal(err)
		}
		used := (now.Blocks - now.Bfree) * uint64(now.Bsize)
		if err := unix.Mount("tmpfs", d.Path, "tmpfs", unix.MS_REMOUNT, fmt.Sprintf("size=%d,mode=700", used)); err == nil {
			return
		}
	}
}
