// Package store is the folder in which an Ollama of the agent's own keeps its models:
// what is free there, files that are put among its blobs, and what no model refers to
// any more. Only Ollama writes manifests.
package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Store is a folder of models.
type Store struct {
	dir  string
	host string // names this host among those that may share the folder
}

// New returns the store in a folder, as a host with this name sees it. It looks at
// nothing yet.
func New(dir, host string) *Store { return &Store{dir: dir, host: host} }

// Names in the folder of blobs. What Ollama creates is written to a name with a number at
// its end: a layer's begins with "sha256-", one that is quantised with the type that was
// asked for.
var (
	blobName      = regexp.MustCompile(`^sha256-[0-9a-f]{64}$`)
	partialName   = regexp.MustCompile(`^sha256-[0-9a-f]{64}-partial(-\d+)?$`)
	tempName      = regexp.MustCompile(`^sha256-\d+$`)
	quantisedName = regexp.MustCompile(`^[A-Za-z]\w*\d$`)
)

// convertedName is a folder, beside that of blobs, in which Ollama before 0.30 converts
// safetensors.
var convertedName = regexp.MustCompile(`^ollama-safetensors\d+$`)

// ourPrefix begins the names of files of ours.
const ourPrefix = ".corral-"

func (s *Store) blobs() string { return filepath.Join(s.dir, "blobs") }

// blob is the path of a blob, by its sha256 in hexadecimal.
func (s *Store) blob(digest string) string { return filepath.Join(s.blobs(), "sha256-"+digest) }

// Writable reports whether files can be put among the blobs, and taken away.
func (s *Store) Writable() bool {
	return unix.Access(s.blobs(), unix.W_OK|unix.X_OK) == nil
}

// Room is the space of a disk.
type Room struct {
	FreeBytes  int64 // that may be used by who is not root
	TotalBytes int64
}

// Room returns the space of the disk that the store is on, as far as it can be seen.
func (s *Store) Room() (Room, error) {
	for dir := s.blobs(); ; dir = filepath.Dir(dir) { // it may not be made yet, or not be ours to look into
		var st unix.Statfs_t
		err := unix.Statfs(dir, &st)
		if err == nil {
			return Room{FreeBytes: int64(st.Bavail) * st.Frsize, TotalBytes: int64(st.Blocks) * st.Frsize}, nil
		}
		if dir == filepath.Dir(dir) {
			return Room{}, fmt.Errorf("space of %s: %w", s.dir, err)
		}
	}
}

// networks are file systems that other hosts may have as well, or programs serve.
func networked(kind int64) bool {
	switch uint32(kind) {
	case unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.V9FS_MAGIC,
		unix.FUSE_SUPER_MAGIC, unix.CEPH_SUPER_MAGIC, unix.CODA_SUPER_MAGIC, unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC, unix.OCFS2_SUPER_MAGIC,
		0x0bd00bd0, 0x47504653, 0x19830326, 0x01161970, 0x786f4256: // Lustre, GPFS, BeeGFS, GFS2, VirtualBox
		return true
	}
	return false
}

// markEvery is how old a host's mark gets before it is renewed, and markLasts when it
// no longer counts.
const (
	markEvery = 24 * time.Hour
	markLasts = 30 * 24 * time.Hour
)

// Shared reports whether other hosts may have the folder, so that what nobody here
// refers to may be theirs. It leaves a mark for them. What it can't find out is shared.
func (s *Store) Shared() (reason string, shared bool) {
	var st unix.Statfs_t
	if err := unix.Statfs(s.dir, &st); err != nil {
		return "the folder cannot be looked at: " + err.Error(), true
	}
	if networked(st.Type) {
		return fmt.Sprintf("the folder is on a file system that other hosts may have too (%#x)", uint32(st.Type)), true
	}
	if err := s.mark(); err != nil {
		return "no mark could be left in the folder: " + err.Error(), true
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return "the folder cannot be read: " + err.Error(), true
	}
	for _, e := range entries {
		other, ok := strings.CutPrefix(e.Name(), ourPrefix+"host-")
		if !ok || other == s.host {
			continue
		}
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) < markLasts {
			return "the host " + other + " has the folder too", true
		}
	}
	return "", false
}

// mark leaves this host's mark.
func (s *Store) mark() error {
	path := filepath.Join(s.dir, ourPrefix+"host-"+s.host)
	info, err := os.Stat(path)
	if err == nil && time.Since(info.ModTime()) < markEvery {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		return err
	}
	now := time.Now()
	return os.Chtimes(path, now, now)
}
