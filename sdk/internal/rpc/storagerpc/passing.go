package storagerpc

import (
	"bytes"
	"encoding/hex"
	"io"
	"os"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// Watcher is a reader of an upload that watches how it goes. Where the plugin gets the
// file, nothing is read of it, and it is told. Its methods may be called concurrently.
type Watcher interface {
	// Watched returns the reader that it reads.
	Watched() io.Reader
	// Took says how much the plugin has read of the file so far.
	Took(bytes int64)
	// Committed says that the plugin has all that it needs to end the upload.
	Committed()
}

// passable is what can be passed of an upload in place of its bytes.
type passable struct {
	file *os.File // nil for none
	// sum is the sha256 of a file that is given away, nil for one that is not.
	sum []byte
}

// passableOf returns the open file that is read where that is all of one.
func passableOf(in io.Reader, size int64) passable {
	if w, is := in.(Watcher); is {
		in = w.Watched()
	}
	var p passable
	switch in := in.(type) {
	case *os.File:
		p.file = in
	case storage.Gift:
		file, sum, err := in.Accept()
		if err != nil {
			return passable{} // it is told by what is read
		}
		p.file = file
		if p.sum, err = hex.DecodeString(sum); err != nil {
			p.sum = nil
		}
	}
	if p.file == nil || !isWhole(p.file, size) {
		return passable{sum: p.sum}
	}
	return p
}

// check returns an error where a file that is given away has another sha256 than whoever
// gives it has said.
func (p passable) check(sum []byte) error {
	if p.sum == nil || bytes.Equal(sum, p.sum) {
		return nil
	}
	return fault.New(fault.Corrupt, "the file is not what was written: its sha256 is %x, not %x", sum, p.sum)
}

// isWhole reports whether a file of so many bytes is at its beginning.
func isWhole(f *os.File, size int64) bool {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() != size {
		return false
	}
	at, err := f.Seek(0, io.SeekCurrent)
	return err == nil && at == 0
}
