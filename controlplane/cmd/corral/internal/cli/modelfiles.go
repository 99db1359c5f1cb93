package cli

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/fault"
)

// localFile is an open file of a model on this machine.
type localFile struct {
	*os.File
	path string
	is   fs.FileInfo
}

// modelPaths returns the paths of the files that arguments mean, of which a folder means
// those in it.
func modelPaths(args []string) ([]string, error) {
	var paths []string
	for _, arg := range args {
		if !isFolder(arg) {
			paths = append(paths, arg)
			continue
		}
		within, err := filesIn(arg)
		if err != nil {
			return nil, err
		}
		paths = append(paths, within...)
	}
	return paths, nil
}

// filesIn returns the paths of the files in a folder that are not hidden. One with folders
// that have more of them is refused: the files of a model stand in none, and one that lacks
// some of its files would be another model.
func filesIn(folder string) ([]string, error) {
	names, err := visible(folder)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, name := range names {
		path := filepath.Join(folder, name)
		if !isFolder(path) {
			paths = append(paths, path)
			continue
		}
		deeper, err := visible(path)
		if err != nil {
			return nil, err
		}
		if len(deeper) > 0 {
			return nil, fault.New(fault.Invalid, "%s has files in its folder %q, and a model's files stand in no folders; name the files that are meant", folder, name).On(fault.Caller)
		}
	}
	if len(paths) == 0 {
		return nil, fault.New(fault.Invalid, "the folder %s has no files", folder).On(fault.Caller)
	}
	return paths, nil
}

// isFolder reports whether a path, or what it links to, is a folder.
func isFolder(path string) bool {
	is, err := os.Stat(path)
	return err == nil && is.IsDir()
}

// visible returns the names of what is in a folder and not hidden, in their order.
func visible(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the folder can't be read").On(fault.Caller)
	}
	var names []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// nameAfterFolder returns a name for the model in a folder, in letters that such a name may
// have; it may be empty.
func nameAfterFolder(folder string) string {
	whole, err := filepath.Abs(folder)
	if err != nil {
		return ""
	}
	name := strings.Map(func(r rune) rune {
		switch {
		case r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)), r == '.', r == '_', r == '-':
			return r
		}
		return '-'
	}, filepath.Base(whole))
	return strings.Trim(name, "-.")
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
	is, err := os.Stat(path)
	if err == nil && !is.Mode().IsRegular() { // opening a pipe would wait for who writes to it
		return localFile{}, fault.New(fault.Invalid, "%s is no regular file, which an upload has to be", path).On(fault.Caller)
	}
	f, err := os.Open(path)
	if err != nil {
		return localFile{}, fault.Wrap(fault.Invalid, err, "the file can't be read").On(fault.Caller)
	}
	if is, err = f.Stat(); err != nil {
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
