package client

import (
	"io"
	"sort"

	"github.com/corral-fleet/corral/sdk/fault"
)

// fileRow is the files of an upload, one behind the other: its bytes are theirs, and offsets
// count over all of them.
type fileRow struct {
	files     []UploadFile
	begins    []int64 // where each of them begins
	sizeBytes int64
}

// newFileRow returns the row of some files. That two of them have one name, which is found
// before they are read, is fault.Invalid.
func newFileRow(files []UploadFile) (*fileRow, error) {
	r := &fileRow{files: files, begins: make([]int64, len(files))}
	names := make(map[string]bool, len(files))
	for i := range files {
		if names[files[i].Name] {
			return nil, fault.New(fault.Invalid, "two files are named %q", files[i].Name).On(fault.Caller)
		}
		names[files[i].Name] = true
		r.begins[i] = r.sizeBytes
		r.sizeBytes += files[i].SizeBytes
	}
	return r, nil
}

// read reads some bytes from an offset on, which is before the end: as many as the file
// there has and p takes, and one at least, or an error that names the file.
func (r *fileRow) read(p []byte, at int64) (int, error) {
	// The last that begins there or before: empty ones before it begin there as well.
	i := sort.Search(len(r.begins), func(i int) bool { return r.begins[i] > at }) - 1
	f, at := &r.files[i], at-r.begins[i]
	n, err := f.Content.ReadAt(p[:min(int64(len(p)), f.SizeBytes-at)], at)
	if n > 0 {
		return n, nil // what is wrong behind them comes with the next ones
	}
	return 0, unreadable(f, err)
}

// unreadable is the error of a file that can't be read to its end.
func unreadable(f *UploadFile, err error) error {
	if err == io.EOF {
		return fault.New(fault.Invalid, "the file %q has become shorter while it was uploaded", f.Name).On(fault.Caller)
	}
	return fault.Wrap(fault.Invalid, err, "the file %q can't be read", f.Name).On(fault.Caller)
}
