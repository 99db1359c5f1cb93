// Package trust knows which plugins there are and which of them may be run.
//
// A plugin is run only where its bytes are trusted: a lock file beside the plugins
// lists them by their sha256. What a file is called says nothing; what it is stands
// in the lock, where it was put when an operator decided to trust it.
package trust

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"

	"github.com/corral-fleet/corral/sdk/fault"
)

// LockName is what a lock file is called beside the plugins.
const LockName = "plugins.lock"

// Lock is a list of the programs that are trusted. Of several of one plugin, the
// last whose program is there is the one to run.
type Lock struct {
	Plugins []Entry `json:"plugins"`
}

// Entry is one version of a plugin.
type Entry struct {
	Kind      string            `json:"kind"` // storage or loader
	Name      string            `json:"name"`
	Version   string            `json:"version"`
	Publisher string            `json:"publisher,omitempty"`
	SHA256    map[string]string `json:"sha256"` // of its program, in hexadecimal, by platform, such as linux/amd64
}

// Platform is the one that this program is built for.
const Platform = runtime.GOOS + "/" + runtime.GOARCH

// maxLockBytes is far more than a lock has.
const maxLockBytes = 4 << 20

var (
	namePattern   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	digestPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

func (e Entry) check() error {
	if !namePattern.MatchString(e.Kind) || !namePattern.MatchString(e.Name) {
		return fault.New(fault.Invalid, "the lock has a plugin %q of kind %q: both are lower case letters, digits and dashes", e.Name, e.Kind)
	}
	for platform, sum := range e.SHA256 {
		if !digestPattern.MatchString(sum) {
			return fault.New(fault.Invalid, "the lock has %q for %s of %s: that is no sha256", sum, platform, e.Name)
		}
	}
	return nil
}

// ReadLock returns the lock in a file; where there is no file it is empty. One that
// can't be read is fault.Corrupt, and trusts nothing.
func ReadLock(path string) (Lock, error) {
	body, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Lock{}, nil
	case err != nil:
		return Lock{}, fault.Wrap(fault.Corrupt, err, "the lock %s can't be read", path)
	}
	if len(body) > maxLockBytes {
		return Lock{}, fault.New(fault.Corrupt, "the lock %s has %d bytes", path, len(body))
	}
	var lock Lock
	if err := json.Unmarshal(body, &lock); err != nil {
		return Lock{}, fault.Wrap(fault.Corrupt, err, "the lock %s is damaged", path)
	}
	for _, e := range lock.Plugins {
		if err := e.check(); err != nil {
			return Lock{}, fault.Wrap(fault.Corrupt, err, "the lock %s is damaged", path)
		}
	}
	return lock, nil
}

// Write puts the lock into a file, whole or not at all.
func (l Lock) Write(path string) error {
	var body bytes.Buffer
	out := json.NewEncoder(&body)
	out.SetIndent("", "  ")
	if err := out.Encode(l); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), LockName+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // where it was not renamed
	_, err = f.Write(body.Bytes())
	if err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(path))
}

func syncDirectory(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Trust adds a program to the lock as the one of its plugin that is run. It takes
// the place of what was there as the same version on its platform.
func (l *Lock) Trust(e Entry) error {
	if err := e.check(); err != nil {
		return err
	}
	at := slices.IndexFunc(l.Plugins, func(have Entry) bool {
		return have.Kind == e.Kind && have.Name == e.Name && have.Version == e.Version
	})
	if at >= 0 {
		sums := map[string]string{}
		for _, from := range []map[string]string{l.Plugins[at].SHA256, e.SHA256} {
			maps.Copy(sums, from)
		}
		e.SHA256 = sums
		l.Plugins = slices.Delete(l.Plugins, at, at+1)
	}
	l.Plugins = append(l.Plugins, e)
	return nil
}

// Forget takes a program out of the lock, and reports whether it was there.
func (l *Lock) Forget(sha256 string) bool {
	before := len(l.Plugins)
	l.Plugins = slices.DeleteFunc(l.Plugins, func(e Entry) bool { return e.SHA256[Platform] == sha256 })
	return len(l.Plugins) < before
}

// find returns where a program stands in the lock, and -1 where it is not trusted.
func (l Lock) find(sha256 string) int {
	for i, e := range slices.Backward(l.Plugins) {
		if e.SHA256[Platform] == sha256 {
			return i
		}
	}
	return -1
}

// String returns what an entry is, such as "storage/fs 0.1.0".
func (e Entry) String() string { return fmt.Sprintf("%s/%s %s", e.Kind, e.Name, e.Version) }
