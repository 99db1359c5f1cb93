package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
)

// Prefix is what the names of plugins begin with. Nothing else of a name counts.
const Prefix = "corral-plugin-"

// shim is the one name that begins so and is of a program for authors, which stands
// beside ours.
const shim = Prefix + "shim"

// Found is a file that looks like a plugin.
type Found struct {
	Path   string
	SHA256 string // "" where it was refused before it was read
	// Refused is why the file is no plugin that could be trusted; "" is that it could.
	Refused string
	Trusted bool
	Entry   Entry // of the lock, where it is trusted
	// Rank says which of several programs of one plugin is to run: the highest.
	Rank int
}

// fileNames are those that can be shown and typed without harm.
var fileNames = regexp.MustCompile(`^[A-Za-z0-9._+-]{1,200}$`)

// Scanner looks for plugins in directories. It reads a file again only when that has
// changed. It is not for concurrent use.
type Scanner struct {
	directories []string
	locks       []string
	known       map[string]known // by path
	lock        Lock             // as it was read last
}

// known is the digest of a file as it was.
type known struct {
	size    int64
	changed syscall.Timespec
	inode   uint64
	sum     string
}

// NewScanner returns a scanner of directories, with the lock files that count. Each lock
// is of all directories, and what stands in a later one ranks higher: where a file is
// says nothing.
func NewScanner(directories []string, locks ...string) *Scanner {
	return &Scanner{directories: directories, locks: locks, known: map[string]known{}}
}

// Scan returns what there is, in the order of the directories and then of the names.
// One that is missing has nothing. An error tells of a lock or a directory that can't
// be read; what could be found is returned as well, and a file whose lock is damaged is
// one that is not trusted.
func (s *Scanner) Scan() ([]Found, error) {
	var lock Lock
	var errs []error
	for _, path := range s.locks {
		one, err := ReadLock(path)
		if err != nil {
			errs = append(errs, err)
		}
		lock.Plugins = append(lock.Plugins, one.Plugins...)
	}
	s.lock = lock
	var all []Found
	for _, directory := range s.directories {
		files, err := os.ReadDir(directory)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fault.Wrap(fault.Unavailable, err, "the directory of plugins %s can't be read", directory))
		}
		for _, file := range files {
			if strings.HasPrefix(file.Name(), Prefix) && file.Name() != shim {
				all = append(all, s.look(directory, file.Name()))
			}
		}
	}
	return all, errors.Join(errs...)
}

// Trusts reports whether the locks had a program when they were last read, whether
// there is a file of it or not.
func (s *Scanner) Trusts(sha256 string) bool { return s.lock.find(sha256) >= 0 }

// look says what one file is. It reads it, and does no more.
func (s *Scanner) look(directory, name string) Found {
	found := Found{Path: filepath.Join(directory, name)}
	info, reason := inspect(directory, name)
	if reason != "" {
		found.Refused = reason
		return found
	}
	sum, err := s.digest(found.Path, info)
	if err != nil {
		found.Refused = "it can't be read: " + err.Error()
		return found
	}
	found.SHA256 = sum
	if at := s.lock.find(sum); at >= 0 {
		found.Trusted, found.Entry, found.Rank = true, s.lock.Plugins[at], at
	}
	return found
}

// inspect returns why a file is no plugin, or "".
func inspect(directory, name string) (info fs.FileInfo, reason string) {
	if !fileNames.MatchString(name) {
		return nil, "its name has other characters than letters, digits and ._+-"
	}
	path := filepath.Join(directory, name)
	if leaves, err := leads(directory, path); err != nil {
		return nil, "it can't be read: " + err.Error()
	} else if leaves {
		return nil, "it is a link out of the directory"
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, "it can't be read: " + err.Error()
	}
	return info, Unfit(info)
}

// leads reports whether a path leads out of a directory.
func leads(directory, path string) (out bool, err error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return false, err
	}
	within, err := filepath.EvalSymlinks(directory)
	return filepath.Dir(real) != within, err
}

// Unfit returns why a file can't be a plugin, whatever its bytes are, or "".
func Unfit(info fs.FileInfo) string {
	owner, ours := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.Mode().IsRegular():
		return "it is not a file"
	case info.Mode().Perm()&0o111 == 0:
		return "it is not executable"
	case info.Mode().Perm()&0o002 != 0:
		return "others may write to it"
	case ours && owner.Uid != 0 && int(owner.Uid) != os.Getuid():
		return fmt.Sprintf("it belongs to another user, %d", owner.Uid)
	}
	return ""
}

func (s *Scanner) digest(path string, info fs.FileInfo) (string, error) {
	now := known{size: info.Size()}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		now.changed, now.inode = stat.Ctim, stat.Ino
	}
	have := s.known[path]
	if now.sum = have.sum; now == have && now.sum != "" {
		return now.sum, nil
	}
	sum, err := host.Digest(path)
	if err == nil {
		now.sum = sum
		s.known[path] = now
	}
	return sum, err
}
