package pki

import (
	"errors"
	"os"
	"path/filepath"
)

// createFile makes a file whole and durable, unless it is there already, which
// is fs.ErrExist. It never replaces one.
func createFile(path string, content []byte) error {
	return place(path, content, os.Link) // unlike a rename, a link fails where the name is taken
}

// replaceFile makes or replaces a file whole and durable.
func replaceFile(path string, content []byte) error {
	return place(path, content, os.Rename)
}

// place writes a file under a name of its own and has move give it its name.
func place(path string, content []byte, move func(from, to string) error) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".new-*") // with mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = move(f.Name(), path)
	}
	if removeErr := os.Remove(f.Name()); removeErr != nil && !errors.Is(removeErr, os.ErrNotExist) {
		err = errors.Join(err, removeErr)
	}
	if err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes the names in a directory survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
