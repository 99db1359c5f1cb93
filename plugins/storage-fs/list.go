package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// readBatch is how many entries of a directory are in memory at a time.
const readBatch = 1000

// List implements [storage.Backend].
func (d *directory) List(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		folder, begin := path.Split(prefix)
		err := d.walk(ctx, folder, begin, func(key string, isFolder bool) error {
			if isFolder {
				return nil // the walk goes on in there
			}
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
		}, true)
		if err != nil && !errors.Is(err, errEnough) {
			yield(storage.Info{}, err)
		}
	}
}

// errEnough is that nobody wants the rest of a listing.
var errEnough = errors.New("enough")

// walk calls visit with each entry of a folder whose name begins so, and with those
// of the folders in there if it is to go deep. A folder ends in a slash; the first is
// "". What is no object, nor a folder of objects, is left out.
func (d *directory) walk(ctx context.Context, folder, begin string, visit func(key string, isFolder bool) error, deep bool) error {
	f, err := d.root.OpenFile(path.Join(".", folder), os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP) {
		return nil
	}
	if err != nil {
		return explained(err, "list the directory %s", path.Join(d.path, folder))
	}
	defer f.Close() // it was only read
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		entries, err := f.ReadDir(readBatch)
		for _, e := range entries {
			key := folder + e.Name()
			if !strings.HasPrefix(e.Name(), begin) || storage.CheckKey(key) != nil {
				continue
			}
			if err := d.step(ctx, key, e, visit, deep); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return explained(err, "list the directory %s", path.Join(d.path, folder))
		}
	}
}

func (d *directory) step(ctx context.Context, key string, e fs.DirEntry, visit func(string, bool) error, deep bool) error {
	switch {
	case e.Type().IsRegular():
		return visit(key, false)
	case e.IsDir():
		if err := visit(key+"/", true); err != nil || !deep {
			return err
		}
		return d.walk(ctx, key+"/", "", visit, deep)
	}
	return nil
}

// Page implements [storage.Pager]: with folders it reads one directory, and looks at
// the files of the page alone.
func (d *directory) Page(ctx context.Context, r storage.PageRequest) (storage.Page, error) {
	if !r.Folders {
		return storage.CutPage(d.List(ctx, r.Prefix), r)
	}
	page, err := storage.CutPage(d.names(ctx, r.Prefix), r)
	if err != nil {
		return storage.Page{}, err
	}
	objects := page.Objects[:0]
	for _, o := range page.Objects {
		info, err := d.Stat(ctx, o.Key)
		switch {
		case err == nil:
			objects = append(objects, info)
		case fault.KindOf(err) != fault.NotFound: // deleted a moment ago
			return storage.Page{}, err
		}
	}
	page.Objects = objects
	return page, nil
}

// names yields what one directory has, by key alone; of a folder it has the beginning
// of all keys in there.
func (d *directory) names(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		folder, begin := path.Split(prefix)
		err := d.walk(ctx, folder, begin, func(key string, _ bool) error {
			if !yield(storage.Info{Key: key}, nil) {
				return errEnough
			}
			return nil
		}, false)
		if err != nil && !errors.Is(err, errEnough) {
			yield(storage.Info{}, err)
		}
	}
}
