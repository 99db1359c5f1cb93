package identity

import (
	"errors"
	"os"
	"path/filepath"
)

// writeFile replaces a file, readable by its owner alone. At any moment, a
// power cut included, the file is either as it was or as it is to be; when
// writeFile returns nil it is the latter for good.
func writeFile(path string, content []byte) error {
	// The lock on the directory keeps others off the name; a file that bears it
	// was left by a crash.
	temporary := path + ".tmp"
	if err := removeIfThere(temporary); err != nil {
		return err
	}
	if err := writeNew(temporary, content); err != nil {
		return errors.Join(err, removeIfThere(temporary))
	}
	if err := os.Rename(temporary, path); err != nil {
		return errors.Join(err, removeIfThere(temporary))
	}
	return syncDir(filepath.Dir(path))
}

func writeNew(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Sync(); err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
