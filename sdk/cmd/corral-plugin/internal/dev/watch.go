package dev

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/corral-fleet/corral/sdk/cmd/corral-plugin/internal/gotool"
)

// quiet is how long nothing more has to change before a change is told: editors write
// a file in several steps.
const quiet = 200 * time.Millisecond

// watching tells of changes until it is closed.
type watching struct {
	events  chan error // nil for a change; an error is the end
	watcher *fsnotify.Watcher
	done    chan struct{}
	reading sync.WaitGroup
}

// watch watches a plugin's sources, or its program, and the file of its
// configuration.
func watch(target gotool.Target, config string) (*watching, error) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	w := &watching{events: make(chan error), watcher: watcher, done: make(chan struct{})}
	files := map[string]bool{} // that count, of the folders where not all do
	if config != "" {
		config, err = filepath.Abs(config)
		files[config] = true
		err = errors.Join(err, watcher.Add(filepath.Dir(config)))
	}
	if target.IsFolder {
		err = errors.Join(err, w.addFolders(target.Path))
	} else {
		files[target.Path] = true
		err = errors.Join(err, watcher.Add(filepath.Dir(target.Path)))
	}
	if err != nil {
		return nil, errors.Join(err, watcher.Close())
	}
	counts := func(path string) bool {
		return files[path] || target.IsFolder && isSource(target.Path, path)
	}
	w.reading.Go(func() { w.read(counts) })
	return w, nil
}

// isSource reports whether a path is of a plugin's sources: what is hidden isn't, and
// neither is what is built beside them.
func isSource(folder, path string) bool {
	below, err := filepath.Rel(folder, path)
	if err != nil || strings.HasPrefix(below, "..") {
		return false
	}
	for segment := range strings.SplitSeq(below, string(filepath.Separator)) {
		if strings.HasPrefix(segment, ".") && segment != "." || strings.HasSuffix(segment, "~") {
			return false
		}
	}
	switch filepath.Ext(path) {
	case ".go", ".mod", ".sum":
		return true
	}
	info, err := os.Stat(path)
	return err == nil && info.IsDir() || strings.Contains(below, string(filepath.Separator)) // what is embedded
}

// addFolders watches a folder and those in it.
func (w *watching) addFolders(folder string) error {
	return filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // it has gone meanwhile
			return nil
		case err != nil:
			return err
		case !entry.IsDir():
			return nil
		case path != folder && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules"):
			return fs.SkipDir
		}
		return w.watcher.Add(path)
	})
}

// read tells of changes, once for those that come together.
func (w *watching) read(counts func(path string) bool) {
	defer close(w.events)
	var settled <-chan time.Time
	for {
		select {
		case <-w.done:
			return
		case event, more := <-w.watcher.Events:
			if !more {
				return
			}
			if event.Op == fsnotify.Chmod || !counts(event.Name) {
				continue
			}
			if info, err := os.Stat(event.Name); event.Has(fsnotify.Create) && err == nil && info.IsDir() {
				if err := w.addFolders(event.Name); err != nil && !w.tell(err) {
					return
				}
			}
			settled = time.After(quiet)
		case err := <-w.watcher.Errors:
			if !w.tell(err) {
				return
			}
		case <-settled:
			settled = nil
			if !w.tell(nil) {
				return
			}
		}
	}
}

// tell reports false where nobody listens any more.
func (w *watching) tell(event error) bool {
	select {
	case w.events <- event:
		return true
	case <-w.done:
		return false
	}
}

func (w *watching) close() {
	close(w.done)
	w.watcher.Close()
	w.reading.Wait()
}
