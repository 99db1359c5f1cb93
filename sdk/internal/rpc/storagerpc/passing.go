package storagerpc

import (
	"io"
	"os"
)

// Watcher is a reader of an upload that watches how it goes. Where the plugin gets the
// file, nothing is read of it, and it is told. Its methods may be called concurrently.
type Watcher interface {
	// File returns the open file that is read, nil where it is none.
	File() *os.File
	// Took says how much the plugin has read of the file so far.
	Took(bytes int64)
	// Committed says that the plugin has all that it needs to end the upload.
	Committed()
}

// fileOf returns the open file that is read, nil where it is none.
func fileOf(in io.Reader) *os.File {
	switch in := in.(type) {
	case *os.File:
		return in
	case Watcher:
		return in.File()
	}
	return nil
}

// wholeFile returns what is read as a file where it is all of one, else nil.
func wholeFile(in io.Reader, size int64) *os.File {
	f := fileOf(in)
	if f == nil {
		return nil
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() != size {
		return nil
	}
	if at, err := f.Seek(0, io.SeekCurrent); err != nil || at != 0 {
		return nil
	}
	return f
}
