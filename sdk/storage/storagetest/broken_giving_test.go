package storagetest

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// givingBreakages break a sentence each of what is given away.
var givingBreakages = map[string][]func(*altered){
	"ST-GIVE-001": {func(a *altered) { // it remembers the name, and not the file
		paths := givenPaths{}
		a.putting = func(ctx context.Context, key string, src storage.Source) error {
			paths.note(key, src)
			return a.full.Put(ctx, key, src)
		}
		a.get = func(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
			path := paths.of(key)
			if path == "" {
				return a.full.Get(ctx, key, r)
			}
			f, err := os.Open(path)
			if err != nil {
				return nil, fault.Wrap(fault.NotFound, err, "it is gone")
			}
			return storage.Section(f, givenBytes, r)
		}
	}},
	"ST-GIVE-002": {func(a *altered) { // it doesn't ask
		a.putting = func(ctx context.Context, key string, src storage.Source) error {
			content, err := slurp(src)
			return errors.Join(err, a.full.Put(ctx, key, storage.Bytes(content)))
		}
	}},
	"ST-GIVE-003": {func(a *altered) { // it writes objects in their places
		paths := givenPaths{}
		a.putting = func(ctx context.Context, key string, src storage.Source) error {
			if path := paths.of(key); path != "" {
				content, err := slurp(src)
				if err := errors.Join(err, os.WriteFile(path, content, 0o600)); err != nil {
					return err
				}
			}
			paths.note(key, src)
			return a.full.Put(ctx, key, src)
		}
	}, func(a *altered) { // it empties what it deletes
		paths := givenPaths{}
		a.putting = func(ctx context.Context, key string, src storage.Source) error {
			paths.note(key, src)
			return a.full.Put(ctx, key, src)
		}
		a.del = func(ctx context.Context, key string) error {
			if path := paths.of(key); path != "" {
				if err := os.Truncate(path, 0); err != nil {
					return err
				}
			}
			return a.full.Delete(ctx, key)
		}
	}},
	"ST-GIVE-004": {func(a *altered) { // it moves the file
		paths := givenPaths{}
		a.putting = func(ctx context.Context, key string, src storage.Source) error {
			before := paths.keyOf(src)
			paths.note(key, src)
			err := a.full.Put(ctx, key, src)
			if before != "" && before != key {
				err = errors.Join(err, a.full.Delete(ctx, before))
			}
			return err
		}
	}},
	"ST-GIVE-005": {func(a *altered) { // it tells the time of the file
		paths := givenPaths{}
		a.putting = func(ctx context.Context, key string, src storage.Source) error {
			paths.note(key, src)
			return a.full.Put(ctx, key, src)
		}
		a.stat = func(ctx context.Context, key string) (storage.Info, error) {
			info, err := a.full.Stat(ctx, key)
			if is, failed := os.Stat(paths.of(key)); failed == nil {
				info.ModifiedAt = is.ModTime()
			}
			return info, err
		}
	}},
}

// givenPaths are where the files were that were given away, by the keys of the objects.
type givenPaths struct{ byKey sync.Map }

func (g *givenPaths) of(key string) string {
	path, _ := g.byKey.Load(key)
	name, _ := path.(string)
	return name
}

// note notes a file that is given away, or that none is.
func (g *givenPaths) note(key string, src storage.Source) { g.byKey.Store(key, givenPath(src)) }

// keyOf returns the key of an object that a file was given for.
func (g *givenPaths) keyOf(src storage.Source) (key string) {
	path := givenPath(src)
	g.byKey.Range(func(k, v any) bool {
		if v == path && path != "" {
			key = k.(string)
		}
		return key == ""
	})
	return key
}

func givenPath(src storage.Source) string {
	in, err := src.Open()
	if err != nil {
		return ""
	}
	defer in.Close()
	gift, is := in.(storage.Gift)
	if !is {
		return ""
	}
	f, _, err := gift.Accept()
	if err != nil {
		return ""
	}
	return f.Name()
}
