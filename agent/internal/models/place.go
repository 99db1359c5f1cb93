package models

import (
	"context"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// path returns the file on this host that is the layer, all of it and nothing else, and
// "" where there is none.
func (l *layer) path() string {
	if len(l.parts) != 1 || l.parts[0].file == nil || l.parts[0].offset != 0 || l.parts[0].length != l.parts[0].file.SizeBytes() {
		return ""
	}
	return l.parts[0].file.Path()
}

// place puts the layers that are files on the disk of Ollama's blobs among them, and
// reports whether there were any. Ollama then finds them when it pulls.
func (e *Executor) place(ctx context.Context, layers []*layer) (placed bool, err error) {
	if e.store == nil || !e.host.Ours || !e.store.Writable() {
		return false, nil
	}
	for _, l := range layers {
		path := l.path()
		if path == "" || !e.store.SameDisk(path) {
			continue
		}
		if there, err := e.ollama.HasBlob(ctx, l.digest()); err != nil || there {
			if err != nil {
				return placed, err
			}
			continue
		}
		e.progress.enter(work.Importing, "")
		switch err := e.store.Place(ctx, path, l.SHA256, e.progress.add); {
		case err == nil:
			placed = true
		case ctx.Err() != nil || fault.KindOf(err) == fault.Corrupt || fault.KindOf(err) == fault.NoSpace:
			return placed, err
		default:
			e.log.Warn("a file on this host is pulled: it can't be placed", "error", err)
		}
	}
	return placed, nil
}
