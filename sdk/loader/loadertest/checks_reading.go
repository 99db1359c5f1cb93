package loadertest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/loader"
)

var errAway = fault.New(fault.Unavailable, "the storage of a check is away, as it should be").On(fault.Service)

var readingChecks = []Check{
	{ID: "LD-READ-001", Sentence: "An error of files is returned so that errors.Is finds it.", try: func(t *trial) {
		for _, s := range t.own(false) {
			if _, err := t.Inspect(t.ctx, away{s.Files}); !errors.Is(err, errAway) {
				t.errorf("%s: %v, want the error of the files", s.Name, err)
			}
		}
	}},
	{ID: "LD-READ-002", Sentence: "Inspect returns soon after its context ends, even while it reads.", try: func(t *trial) {
		s := t.own(false)[0]
		ctx, cancel := context.WithCancel(t.ctx)
		defer cancel()
		stuck := &stuck{Files: s.Files, reached: make(chan struct{}, 1)}
		ended := make(chan error, 1)
		go func() {
			_, err := t.Inspect(ctx, stuck)
			ended <- err
		}()
		select {
		case <-stuck.reached:
		case err := <-ended:
			t.fatalf("it has read nothing: %v", err)
		}
		cancel()
		began := time.Now()
		select {
		case err := <-ended:
			if fault.KindOf(err) != fault.Canceled {
				t.errorf("%v, want fault.Canceled", err)
			}
		case <-time.After(returnSoon):
			t.errorf("it goes on after %v", time.Since(began).Round(time.Second))
		}
	}},
	{ID: "LD-READ-003", Sentence: "Only files that there are are read, and within their sizes.", try: func(t *trial) {
		for _, s := range append(t.own(false), t.own(true)...) {
			watched := &watched{Files: s.Files}
			_, err := t.Inspect(t.ctx, loader.Limit(watched, loader.MaxReadBytes))
			if wrong := watched.wrong.Load(); wrong != nil {
				t.errorf("%s: %s (%v)", s.Name, *wrong, err)
			}
		}
	}},
}

var callChecks = []Check{
	{ID: "LD-CALL-001", Sentence: "Methods return soon after their context ends, with its error.", try: func(t *trial) {
		s := t.own(false)[0]
		ctx, cancel := context.WithCancel(t.ctx)
		cancel()
		if _, err := t.Inspect(ctx, s.Files); fault.KindOf(err) != fault.Canceled {
			t.errorf("Inspect: %v, want fault.Canceled", err)
		}
	}},
	{ID: "LD-CALL-002", Sentence: "Methods may be called concurrently.", try: func(t *trial) {
		s := t.own(false)[0]
		want := t.inspect(s)
		const callers = 8
		got := make([]loader.Info, callers)
		errs := make([]error, callers)
		var calling sync.WaitGroup
		for i := range callers {
			calling.Go(func() { got[i], errs[i] = t.Inspect(t.ctx, s.Files) })
		}
		calling.Wait()
		for i := range callers {
			if diff := difference(want, got[i]); errs[i] != nil || diff != "" {
				t.errorf("one of %d at the same time: %v\n%s", callers, errs[i], diff)
			}
		}
	}},
}

// away are files whose storage is.
type away struct{ loader.Files }

func (away) ReadAt(context.Context, string, []byte, int64) (int, error) { return 0, errAway }

// stuck are files whose storage does not answer.
type stuck struct {
	loader.Files
	reached chan struct{}
}

func (s *stuck) ReadAt(ctx context.Context, _ string, _ []byte, _ int64) (int, error) {
	select {
	case s.reached <- struct{}{}:
	default:
	}
	<-ctx.Done()
	return 0, context.Cause(ctx)
}

// watched are files that note what is read beside them.
type watched struct {
	loader.Files
	wrong atomic.Pointer[string]
}

func (w *watched) ReadAt(ctx context.Context, path string, p []byte, offset int64) (int, error) {
	i := slices.IndexFunc(w.List(), func(f loader.File) bool { return f.Path == path })
	if text := "it reads " + path + " where that is not"; i < 0 || offset < 0 || offset > w.List()[i].SizeBytes {
		w.wrong.Store(&text)
	}
	return w.Files.ReadAt(ctx, path, p, offset)
}

// counting are files that count what is read of them.
type counting struct {
	loader.Files
	bytes atomic.Int64
}

func (c *counting) ReadAt(ctx context.Context, path string, p []byte, offset int64) (int, error) {
	n, err := c.Files.ReadAt(ctx, path, p, offset)
	c.bytes.Add(int64(n))
	return n, err
}

// reversed are files in the opposite order.
type reversed struct{ loader.Files }

func (r reversed) List() []loader.File {
	files := r.Files.List()
	slices.Reverse(files)
	return files
}

// boasting are files that say that they are longer than they are.
type boasting struct{ loader.Files }

func (b boasting) List() []loader.File {
	files := b.Files.List()
	for i := range files {
		files[i].SizeBytes += 1000
	}
	return files
}
