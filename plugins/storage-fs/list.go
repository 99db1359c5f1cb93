package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path"
	"syscall"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// List implements [storage.Backend].
func (d *directory) List(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		err := d.walk(ctx, prefix, listing{func(key string) error {
			info, err := d.Stat(ctx, key)
			switch {
			case fault.KindOf(err) == fault.NotFound: // it was deleted a moment ago
				return nil
			case err != nil:
				return err
			case !yield(info, nil):
				return errEnough
			}
			return nil
		}})
		if err != nil && !errors.Is(err, errEnough) {
			yield(storage.Info{}, err)
		}
	}
}

// errEnough is that nobody wants the rest of a listing.
var errEnough = errors.New("enough")

// visitor is shown what a directory has. Names come in pieces, so that what nobody
// wants costs nothing: that of a folder ends in a slash, as folder itself does.
type visitor interface {
	// wants reports whether visit, or enter, is to be called. name is good for this
	// call alone.
	wants(folder string, name []byte) bool
	// visit is called with the key of an object.
	visit(key string) error
	// enter is called with a folder, and returns whether the walk goes on in there.
	enter(folder string) bool
}

// listing visits all objects.
type listing struct{ object func(key string) error }

func (listing) wants(string, []byte) bool { return true }
func (l listing) visit(key string) error  { return l.object(key) }
func (listing) enter(string) bool         { return true }

// looks is after how many entries a walk looks at its context.
const looks = 1000

// walk shows what begins with a prefix. What is no object, nor a folder that may have
// some, is left out.
func (d *directory) walk(ctx context.Context, prefix string, v visitor) error {
	folder, begin := path.Split(prefix)
	return d.walkFolder(ctx, folder, []byte(begin), v)
}

func (d *directory) walkFolder(ctx context.Context, folder string, begin []byte, v visitor) error {
	f, err := d.root.OpenFile(path.Join(".", folder), os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP) {
		return nil
	}
	if err != nil {
		return explained(err, "list the directory %s", path.Join(d.path, folder))
	}
	defer f.Close() // it was only read
	var visited error
	seen := 0
	err = entries(f, func(name []byte, kind entryKind) error {
		if seen++; seen%looks == 1 {
			if visited = ctx.Err(); visited != nil {
				return visited
			}
		}
		if bytes.HasPrefix(name, begin) {
			visited = d.step(ctx, folder, name, kind, v)
		}
		return visited
	})
	switch {
	case visited != nil:
		return visited
	case folder != "" && errors.Is(err, fs.ErrNotExist): // it was removed with its last object
		return nil
	}
	return explained(err, "list the directory %s", path.Join(d.path, folder))
}

func (d *directory) step(ctx context.Context, folder string, name []byte, kind entryKind, v visitor) error {
	if kind == unknownEntry {
		kind = d.look(folder + string(name))
	}
	switch kind {
	case fileEntry:
		if !v.wants(folder, name) {
			return nil
		}
		if key := folder + string(name); storage.CheckKey(key) == nil {
			return v.visit(key)
		}
	case folderEntry:
		within := folder + string(name)
		if storage.CheckKey(within) == nil && v.wants(folder, []byte(within[len(folder):]+"/")) && v.enter(within+"/") {
			return d.walkFolder(ctx, within+"/", nil, v)
		}
	}
	return nil
}

// look finds out what an entry is where the directory doesn't tell.
func (d *directory) look(key string) entryKind {
	info, err := d.root.Lstat(key)
	switch {
	case err == nil && info.Mode().IsRegular():
		return fileEntry
	case err == nil && info.IsDir():
		return folderEntry
	}
	return otherEntry // or gone
}
