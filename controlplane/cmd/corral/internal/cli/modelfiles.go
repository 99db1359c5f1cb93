package cli

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/fault"
)

// localFile is an open file of a model on this machine.
type localFile struct {
	*os.File
	path string
	is   fs.FileInfo
}

// openModelFiles opens files to be read. What is no regular file is refused.
func openModelFiles(paths []string) ([]localFile, error) {
	var files []localFile
	for _, path := range paths {
		f, err := openModelFile(path)
		if err != nil {
			closeModelFiles(files)
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

func openModelFile(path string) (localFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return localFile{}, fault.Wrap(fault.Invalid, err, "the file can't be read").On(fault.Caller)
	}
	is, err := f.Stat()
	if err == nil && !is.Mode().IsRegular() {
		err = fault.New(fault.Invalid, "%s is no regular file, which an upload has to be", path).On(fault.Caller)
	}
	if err != nil {
		f.Close() // it was only opened
		return localFile{}, err
	}
	return localFile{File: f, path: path, is: is}, nil
}

func closeModelFiles(files []localFile) {
	for _, f := range files {
		f.Close() // it was only read
	}
}

// uploadFiles are local files as they are uploaded.
func uploadFiles(files []localFile) []client.UploadFile {
	var all []client.UploadFile
	for _, f := range files {
		all = append(all, client.UploadFile{Name: filepath.Base(f.path), Content: f.File, SizeBytes: f.is.Size()})
	}
	return all
}

// named says in a few words which files these are.
func named(files []client.UploadFile) string {
	if more := len(files) - 1; more > 0 {
		return fmt.Sprintf("%s and %d more", files[0].Name, more)
	}
	return files[0].Name
}

func total(files []client.UploadFile) (sizeBytes int64) {
	for _, f := range files {
		sizeBytes += f.SizeBytes
	}
	return sizeBytes
}
