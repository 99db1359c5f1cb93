package plugins

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/loader"
)

// looking is a plugin that knows files of the format "plain".
const looking = "looking"

func openLooker(_ context.Context, s Settings) (loader.Loader, error) { return looker{s}, nil }

// looker takes every file for a model whose name is what it reads there. It does what
// some names say.
type looker struct{ settings Settings }

func (looker) Probe(context.Context, []loader.File) (loader.Guess, error) {
	return loader.Guess{Format: "plain", Confidence: loader.Possible, Why: "every file is one"}, nil
}

func (l looker) Inspect(ctx context.Context, files loader.Files) (loader.Info, error) {
	f := files.List()[0]
	in, err := loader.Open(ctx, files, f.Path)
	if err != nil {
		return loader.Info{}, err
	}
	text, err := io.ReadAll(in)
	if err != nil {
		return loader.Info{}, err
	}
	switch name := string(text); name {
	case "exit once":
		if os.Mkdir(filepath.Join(l.settings.Directory, "exited"), 0o700) == nil {
			os.Exit(7)
		}
	case "exit":
		os.Exit(7)
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // as somebody else might
		<-ctx.Done()
	case "damaged":
		return loader.Info{}, fault.New(fault.Corrupt, "it is damaged")
	case "panic":
		panic("oh")
	}
	part := loader.Part{File: f.Path, LengthBytes: f.SizeBytes}
	return loader.Info{
		Kind: loader.KindModel, Format: "plain", Name: string(text),
		Layers: []loader.Layer{{Role: loader.RoleModel, Parts: []loader.Part{part}, SizeBytes: f.SizeBytes}},
	}, nil
}

func (looker) Plan(_ context.Context, r loader.Request) (loader.Recipe, error) {
	if r.Info.Name == "exit" {
		os.Exit(7)
	}
	return loader.Recipe{Layers: r.Info.Layers}, nil
}

func modelFile(content string) loader.Files {
	return loader.Bytes(map[string][]byte{"model": []byte(content)})
}

func (f *fixture) loader(directory string) *LoaderInstance {
	f.t.Helper()
	f.trust(looking, "1.0.0")
	f.run()
	l := f.Loader(Setup{Plugin: Loader(looking), Name: "plain", Config: host.Configuration{JSON: []byte(`{"directory": "` + directory + `"}`)}})
	if err := l.Opened(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	return l
}

func TestALoaderOutlivesItsProcesses(t *testing.T) {
	h := newHost(t)
	l := h.loader(t.TempDir())
	guess, err := l.Probe(t.Context(), modelFile("a").List())
	if err != nil || guess.Format != "plain" {
		t.Errorf("%+v, %v", guess, err)
	}
	// The process ends under the first call, and is there for the second.
	if _, err := l.Inspect(t.Context(), modelFile("exit once")); fault.KindOf(err) != fault.Unavailable || !errors.Is(err, ErrBroke) {
		t.Fatalf("its process ended: %v", err)
	}
	info, err := l.Inspect(t.Context(), modelFile("exit once"))
	if err != nil || info.Name != "exit once" {
		t.Fatalf("%+v, %v", info, err)
	}
	recipe, err := l.Plan(t.Context(), loader.Request{Info: info})
	if diff := cmp.Diff(loader.Recipe{Layers: info.Layers}, recipe); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	s := l.Status()
	if s.State != Ready || s.Plugin != Loader(looking) {
		t.Errorf("%+v", s)
	}
	if err := l.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := l.Probe(t.Context(), modelFile("a").List()); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a loader that was closed: %v", err)
	}
}

// unreadable are files whose storage is away.
type unreadable struct{ loader.Files }

func (unreadable) ReadAt(context.Context, string, []byte, int64) (int, error) {
	return 0, fault.New(fault.Unavailable, "the storage is away").On(fault.Service)
}

func TestALoaderIsNotToBlameForFiles(t *testing.T) {
	h := newHost(t)
	l := h.loader("")
	for range 2 * breakerMinimum {
		if _, err := l.Inspect(t.Context(), modelFile("damaged")); fault.KindOf(err) != fault.Corrupt || fault.SideOf(err) != fault.Caller {
			t.Fatalf("damaged files: %v on the side of %v", err, fault.SideOf(err))
		}
		if _, err := l.Inspect(t.Context(), unreadable{modelFile("a")}); fault.KindOf(err) != fault.Unavailable || fault.SideOf(err) != fault.Service {
			t.Fatalf("files that can't be read: %v on the side of %v", err, fault.SideOf(err))
		}
	}
	if s := l.Status(); s.State != Ready || s.Breaker != Closed {
		t.Errorf("it is %+v", s)
	}
	for range 5 * breakerMinimum { // more than have worked
		if _, err := l.Inspect(t.Context(), modelFile("panic")); fault.SideOf(err) != fault.Plugin {
			t.Fatalf("a loader that panics: %v", err)
		}
	}
	if _, err := l.Inspect(t.Context(), modelFile("a")); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a loader that fails at everything is asked further: %v", err)
	}
}

// starts returns how often the plugin was started.
func (f *fixture) starts(id ID) int {
	for _, s := range f.Plugins() {
		if s.ID == id {
			return 1 + s.Restarts
		}
	}
	return 0
}

func TestWhatMayBeOfTheFilesIsTold(t *testing.T) {
	h := newHost(t)
	l := h.loader("")
	for what, files := range map[string]struct {
		loader.Files
		broke bool
	}{
		"it exits":                 {modelFile("exit"), true},
		"it panics":                {modelFile("panic"), true},
		"the files are damaged":    {modelFile("damaged"), false},
		"the files can't be read":  {unreadable{modelFile("a")}, false},
		"somebody else has killed": {modelFile("kill"), false},
	} {
		before := h.starts(Loader(looking))
		_, err := l.Inspect(t.Context(), files.Files)
		if err == nil || errors.Is(err, ErrBroke) != files.broke {
			t.Errorf("%s: that is of the files: %v; %v", what, !files.broke, err)
		}
		if _, err := l.Inspect(t.Context(), modelFile("a")); err != nil { // it is there again
			t.Errorf("after %s: %v", what, err)
		}
		if n := h.starts(Loader(looking)) - before; n > 1 {
			t.Errorf("%s: it was started %d times for that", what, n)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Inspect(ctx, modelFile("a")); errors.Is(err, ErrBroke) {
		t.Errorf("what somebody gave up: %v", err)
	}
}

// A loader that ends under a call that is made again, and doesn't come back for it, has
// ended under it all the same.
func TestALoaderThatEndsTooOftenHasEnded(t *testing.T) {
	h := newHost(t)
	h.config.MaxExits = 2
	l := h.loader("")
	_, err := l.Plan(t.Context(), loader.Request{Info: loader.Info{Name: "exit"}})
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(fault.MessageOf(err), "failed") || !errors.Is(err, ErrBroke) {
		t.Errorf("it ended each time: %v", err)
	}
}

func TestALateAnswerMayBeOfTheFiles(t *testing.T) {
	for err, want := range map[error]bool{
		late(time.Second): true,
		fault.New(fault.Timeout, "the service behind it took too long").On(fault.Service):                         false,
		fault.Wrap(fault.Unavailable, late(time.Second), "the plugin did not get ready in time").On(fault.Plugin): false,
		fault.New(fault.Internal, "the plugin failed").On(fault.Plugin):                                           true,
		fault.New(fault.NoSpace, "the disk is full").On(fault.Plugin):                                             false,
	} {
		if broke(err) != want {
			t.Errorf("%v: %v", err, !want)
		}
	}
}

func TestALoaderIsUpgraded(t *testing.T) {
	h := newHost(t)
	l := h.loader("")
	h.trust(looking, "2.0.0")
	if err := h.Rescan(); err != nil {
		t.Fatal(err)
	}
	h.await("2.0.0 runs", func() bool {
		for _, s := range h.Plugins() {
			if s.ID == Loader(looking) {
				return s.State == Ready && s.Version == "2.0.0" && len(s.Instances) == 1 && s.Instances[0].State == Ready
			}
		}
		return false
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := l.Inspect(ctx, modelFile("a")); err != nil {
		t.Error(err)
	}
}
