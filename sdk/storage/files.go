package storage

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/corral-fleet/corral/sdk/fault"
)

// MaxListed is how many files [Files.ListFiles] lists at most.
const MaxListed = 10_000

// Files is a backend as a plain store of files: what programs need that are not about
// storages. Paths are keys; see [CheckKey].
type Files struct {
	backend Backend
	address string
}

// NewFiles returns the files of a backend. The address is what the URLs of its files
// begin with, for one that is no [Addresser], such as "storage://name/".
func NewFiles(b Backend, address string) *Files {
	if a, ok := As[Addresser](b); ok && a.Address() != "" {
		address = a.Address()
	}
	return &Files{backend: b, address: address}
}

// UploadFile stores a file, in the place of one that may be there, and returns its
// URL. It is there as a whole when this returns nil, else what was there still is.
func (f *Files) UploadFile(ctx context.Context, path string, data []byte) (url string, err error) {
	return f.UploadStream(ctx, path, Bytes(data))
}

// UploadStream is UploadFile for what need not be in memory.
func (f *Files) UploadStream(ctx context.Context, path string, src Source) (url string, err error) {
	if err := CheckKey(path); err != nil {
		return "", err
	}
	if err := f.backend.Put(ctx, path, src); err != nil {
		return "", err
	}
	return f.address + path, nil
}

// DownloadFile returns the bytes of a file.
func (f *Files) DownloadFile(ctx context.Context, path string) ([]byte, error) {
	in, err := f.DownloadStream(ctx, path)
	if err != nil {
		return nil, err
	}
	defer in.Close() // it was only read
	return io.ReadAll(in)
}

// DownloadStream is DownloadFile for what need not fit into memory. The caller closes
// the reader, which never ends early without an error.
func (f *Files) DownloadStream(ctx context.Context, path string) (io.ReadCloser, error) {
	if err := CheckKey(path); err != nil {
		return nil, err
	}
	return f.backend.Get(ctx, path, Range{})
}

// ListFiles returns the files whose paths begin with prefix, by their paths. More than
// [MaxListed] are fault.TooLarge: list them by [Backend].List or [ListPage].
func (f *Files) ListFiles(ctx context.Context, prefix string) ([]Info, error) {
	if err := CheckPrefix(prefix); err != nil {
		return nil, err
	}
	var all []Info
	for info, err := range f.backend.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		if len(all) == MaxListed {
			return nil, fault.New(fault.TooLarge, "more than %d files begin with %q; list them in pages", MaxListed, prefix).On(fault.Caller)
		}
		all = append(all, info)
	}
	slices.SortFunc(all, func(a, b Info) int { return strings.Compare(a.Key, b.Key) })
	return all, nil
}

// DeleteFile removes a file. That there is none is no error.
func (f *Files) DeleteFile(ctx context.Context, path string) error {
	if err := CheckKey(path); err != nil {
		return err
	}
	return f.backend.Delete(ctx, path)
}

// Find returns which of several stores a URL is of, the one with the longest address
// that it begins with, and the path there. A URL of none is fault.NotFound.
func Find(url string, among ...*Files) (in *Files, path string, err error) {
	for _, f := range among {
		if rest, ok := strings.CutPrefix(url, f.address); ok && (in == nil || len(f.address) > len(in.address)) {
			in, path = f, rest
		}
	}
	if in == nil {
		return nil, "", fault.New(fault.NotFound, "%q is in no storage that is known here", url).On(fault.Caller)
	}
	return in, path, CheckKey(path)
}
