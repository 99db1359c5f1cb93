package controlplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/storages"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host/plugins"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/storage"
)

// modelLoaders has the plugins of this host look at the files of models.
type modelLoaders struct {
	manager  *plugins.Manager
	storages *storages.Service
	log      hclog.Logger

	mu   sync.Mutex
	open map[string]*plugins.LoaderInstance // by the plugin's name
}

func newModelLoaders(manager *plugins.Manager, kept *storages.Service, log hclog.Logger) *modelLoaders {
	return &modelLoaders{manager: manager, storages: kept, log: log, open: map[string]*plugins.LoaderInstance{}}
}

// loader returns an instance of a plugin. It outlives the plugin's processes.
func (l *modelLoaders) loader(name string) *plugins.LoaderInstance {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[name] == nil {
		l.open[name] = l.manager.Loader(plugins.Setup{Plugin: plugins.Loader(name), Name: name})
	}
	return l.open[name]
}

// names returns the loaders that may be asked now, in order, and whether each of them runs.
func (l *modelLoaders) names() (names []string, allRun bool) {
	allRun = true
	for _, p := range l.manager.Plugins() {
		if p.ID.Kind == plugins.Loader("").Kind && p.State != plugins.Disabled {
			names = append(names, p.ID.Name)
			allRun = allRun && p.State == plugins.Ready
		}
	}
	slices.Sort(names)
	return names, allRun
}

// foreseeing is how long is waited for what loaders say of names. What they don't say by
// then, they say of the files.
const foreseeing = 2 * time.Second

// foresee says which files are missing of those that are to come, as far as their names tell:
// who uploads for an hour should not hear of it afterwards.
func (l *modelLoaders) foresee(ctx context.Context, files []fleet.UploadFile) error {
	if _, allRun := l.names(); !allRun || len(files) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, foreseeing)
	defer cancel()
	list := make([]loader.File, len(files))
	for i, f := range files {
		list[i] = loader.File{Path: f.Name, SizeBytes: f.SizeBytes, SHA256: f.SHA256}
	}
	if _, guess, err := l.surest(ctx, list); err == nil && guess.Confidence >= loader.Likely {
		return missing(&guess)
	}
	return nil
}

// missing is that files lack others.
func missing(guess *loader.Guess) error {
	if len(guess.Missing) == 0 {
		return nil
	}
	return fault.New(fault.Invalid, "%s; files are missing: %s", guess.Why, strings.Join(guess.Missing, ", ")).On(fault.Caller)
}

// Inspect implements [models.Loaders]: every loader says what the files seem to be, and
// the surest is asked to look at them.
func (l *modelLoaders) Inspect(ctx context.Context, files []fleet.ModelFile) (string, loader.Info, error) {
	name, info, err := l.inspect(ctx, files)
	return name, info, broke(err)
}

// broke says in the catalogue's words that a loader broke down at what it was given.
func broke(err error) error {
	if !errors.Is(err, plugins.ErrBroke) {
		return err
	}
	return fault.Wrap(fault.KindOf(err), fmt.Errorf("%w: %w", fleet.ErrBroke, err), "%s", fault.MessageOf(err)).On(fault.SideOf(err))
}

func (l *modelLoaders) inspect(ctx context.Context, files []fleet.ModelFile) (string, loader.Info, error) {
	heads, err := l.heads(ctx, files)
	if err != nil {
		return "", loader.Info{}, err
	}
	name, guess, err := l.surest(ctx, heads)
	if err != nil {
		return "", loader.Info{}, err
	}
	if err := missing(&guess); err != nil {
		return name, loader.Info{}, err
	}
	info, err := l.loader(name).Inspect(ctx, loader.Limit(newStoredFiles(l.storages, files), loader.MaxReadBytes))
	return name, info, err
}

// surest asks all loaders.
func (l *modelLoaders) surest(ctx context.Context, files []loader.File) (name string, best loader.Guess, err error) {
	var failed error
	names, _ := l.names()
	for _, candidate := range names {
		guess, err := l.loader(candidate).Probe(ctx, files)
		if err != nil {
			l.log.Warn("a loader can't be asked what files are", "loader", candidate, "error", err)
			failed = err
			continue
		}
		if guess.Confidence > best.Confidence {
			name, best = candidate, guess
		}
	}
	switch {
	case name != "":
		return name, best, nil
	case failed != nil:
		return "", best, failed
	}
	err = fault.New(fault.Invalid, "no loader of this server knows what these files are: %s", listOf(files)).On(fault.Caller)
	if slices.ContainsFunc(files, pickled) {
		err = fault.New(fault.Invalid, "there are weights as pickles (%s), which are never taken, since to read one is to run it: save them as safetensors", listOf(files)).On(fault.Caller)
	}
	return "", best, err
}

// pickled reports whether a file is one of Python's pickles, by its name and its beginning: a
// pickle's own or, as PyTorch writes them, that of a zip. Models of before GGUF end in .bin too.
func pickled(f loader.File) bool {
	switch strings.ToLower(path.Ext(f.Path)) {
	case ".bin", ".pt", ".pth", ".ckpt", ".pkl":
		return bytes.HasPrefix(f.Head, []byte("\x80")) || bytes.HasPrefix(f.Head, []byte("PK\x03\x04"))
	}
	return false
}

// shownFiles is how many names of files an error has.
const shownFiles = 3

func listOf(files []loader.File) string {
	var names []string
	for _, f := range files {
		if len(names) == shownFiles {
			names = append(names, fmt.Sprintf("and %d more", len(files)-shownFiles))
			break
		}
		names = append(names, f.Path)
	}
	return strings.Join(names, ", ")
}

// heads returns files with how they begin.
func (l *modelLoaders) heads(ctx context.Context, files []fleet.ModelFile) ([]loader.File, error) {
	heads := newStoredFiles(l.storages, files).List()
	if err := loader.CheckFiles(heads); err != nil {
		return nil, err
	}
	for i, f := range files {
		if i >= loader.MaxHeads || f.SizeBytes == 0 {
			continue
		}
		head, err := l.read(ctx, f, storage.Range{LengthBytes: min(loader.HeadBytes, f.SizeBytes)})
		if err != nil {
			return nil, err
		}
		heads[i].Head = head
	}
	return heads, nil
}

func (l *modelLoaders) read(ctx context.Context, f fleet.ModelFile, r storage.Range) (part []byte, err error) {
	in, err := l.storages.Read(ctx, f.Storage, f.Key, r)
	if err != nil {
		return nil, err
	}
	var all bytes.Buffer
	_, err = io.Copy(&all, in)
	if closed := in.Close(); err == nil {
		err = closed
	}
	return all.Bytes(), err
}

// Plan implements [models.Loaders].
func (l *modelLoaders) Plan(ctx context.Context, name string, r loader.Request) (loader.Recipe, error) {
	recipe, err := l.loader(name).Plan(ctx, r)
	return recipe, broke(err)
}

// storedFiles are files in storages, for a loader.
type storedFiles struct {
	storages *storages.Service
	list     []loader.File
	byPath   map[string]fleet.ModelFile
}

func newStoredFiles(kept *storages.Service, files []fleet.ModelFile) *storedFiles {
	s := &storedFiles{storages: kept, byPath: map[string]fleet.ModelFile{}}
	for _, f := range files {
		s.list = append(s.list, loader.File{Path: f.Path, SizeBytes: f.SizeBytes, SHA256: f.SHA256})
		s.byPath[f.Path] = f
	}
	return s
}

// List implements [loader.Files].
func (s *storedFiles) List() []loader.File { return slices.Clone(s.list) }

// ReadAt implements [loader.Files].
func (s *storedFiles) ReadAt(ctx context.Context, path string, p []byte, offset int64) (n int, err error) {
	f, ok := s.byPath[path]
	switch {
	case !ok:
		return 0, fault.New(fault.NotFound, "there is no file %q", path)
	case offset < 0:
		return 0, fault.New(fault.Invalid, "a file has no byte %d", offset)
	case offset >= f.SizeBytes:
		return 0, io.EOF
	}
	wanted := p[:min(int64(len(p)), f.SizeBytes-offset)]
	if len(wanted) > 0 {
		in, err := s.storages.Read(ctx, f.Storage, f.Key, storage.Range{OffsetBytes: offset, LengthBytes: int64(len(wanted))})
		if err != nil {
			return 0, err
		}
		n, err = io.ReadFull(in, wanted)
		if closed := in.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return n, err
		}
	}
	if len(wanted) < len(p) {
		err = io.EOF
	}
	return n, err
}
