package storagerpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/internal/pb/storagev1"
	"github.com/corral-fleet/corral/sdk/internal/rpc/datasocket"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/memory"
)

// written is a file with what pattern returns.
func written(t testing.TB, size int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, pattern(size), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func source(t testing.TB, path string) storage.Source {
	t.Helper()
	src, err := storage.File(path)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// reads is a backend whose uploads do whatever a test wants.
type reads struct {
	storage.Backend
	put func(ctx context.Context, src storage.Source) error
}

func (r reads) Put(ctx context.Context, _ string, src storage.Source) error { return r.put(ctx, src) }

func TestAFileIsPassedAsItIs(t *testing.T) {
	kept := memory.New(1 << 30)
	var came storage.Source
	b := over(t, reads{kept, func(ctx context.Context, src storage.Source) error {
		came = src
		return kept.Put(ctx, "k", src)
	}})
	for size, isPassed := range map[int]bool{0: false, DataBytes: false, DataBytes + 1: true, large: true} {
		if err := b.Put(t.Context(), "k", source(t, written(t, size))); err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if _, is := came.(*passed); is != isPassed {
			t.Errorf("%d bytes came as %T", size, came)
		}
		in, err := kept.Get(t.Context(), "k", storage.Range{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(in); err != nil || !bytes.Equal(got, pattern(size)) {
			t.Errorf("%d bytes are stored of %d, %v", len(got), size, err)
		}
	}
	if err := overMessages(t, kept).Put(t.Context(), "k", source(t, written(t, large))); err != nil {
		t.Errorf("by messages: %v", err)
	}
}

// Parts are read at the same time, and again.
func TestAFileIsReadAtAnyPlace(t *testing.T) {
	content := pattern(large)
	got := make([]byte, large)
	err := over(t, reads{memory.New(1), func(_ context.Context, src storage.Source) error {
		first, err := src.Open()
		if err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, first, 1000); err != nil {
			return err
		}
		again, err := src.Open()
		if err != nil {
			return err
		}
		const parts = 8
		errs := make([]error, parts)
		var reading sync.WaitGroup
		for i := range parts {
			from, to := i*large/parts, (i+1)*large/parts
			reading.Go(func() {
				if n, err := again.(io.ReaderAt).ReadAt(got[from:to], int64(from)); n != to-from || err != nil && err != io.EOF {
					errs[i] = fmt.Errorf("%d bytes from %d on: %w", n, from, err)
				}
			})
		}
		reading.Wait()
		return errors.Join(errs...)
	}}).Put(t.Context(), "k", source(t, written(t, large)))
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("%v", err)
	}
}

func readAll(_ context.Context, src storage.Source) error {
	in, err := src.Open()
	if err == nil {
		_, err = io.Copy(io.Discard, in)
	}
	return err
}

// uploadByFile begins an upload whose file is passed, or given away.
func (c *Client) uploadByFile(t *testing.T, size int64, path string, given bool) putStream {
	t.Helper()
	out, err := c.storage.Put(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	what := begin(size)
	what.GetBegin().Socket, what.GetBegin().Given = true, given
	if err := out.Send(what); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := &sending{out: out}
	if err := c.meet(t.Context(), s, f); err != nil {
		t.Fatal(err)
	}
	s.socket.Close()
	return out
}

func TestAFileIsStoredOnlyWhenItIsCommittedTo(t *testing.T) {
	commit := func(n int64) *storagev1.PutRequest {
		return &storagev1.PutRequest{Part: &storagev1.PutRequest_Commit_{Commit: &storagev1.PutRequest_Commit{Bytes: n}}}
	}
	for name, c := range map[string]struct {
		size   int64
		change func(path string) error
		end    *storagev1.PutRequest
		want   fault.Kind
	}{
		"whole":              {large, nil, commit(large), fault.None},
		"no commit":          {large, nil, nil, fault.Canceled},
		"abort":              {large, nil, &storagev1.PutRequest{Part: &storagev1.PutRequest_Abort_{}}, fault.Canceled},
		"committed to fewer": {large, nil, commit(large - 1), fault.Invalid},
		"an unknown part":    {large, nil, &storagev1.PutRequest{}, fault.Invalid},
		"another size":       {large - 1, nil, commit(large - 1), fault.Invalid},
		"of unknown size":    {-1, nil, commit(large), fault.Invalid},
		"written to": {large, func(path string) error {
			later := time.Now().Add(time.Hour)
			return os.Chtimes(path, later, later)
		}, commit(large), fault.Conflict},
		"cut": {large, func(path string) error { return os.Truncate(path, 10) }, commit(large), fault.Conflict},
	} {
		t.Run(name, func(t *testing.T) {
			stored := errors.New("nothing came")
			began, changed := make(chan struct{}), make(chan struct{})
			b := over(t, reads{memory.New(1), func(ctx context.Context, src storage.Source) error {
				close(began)
				<-changed
				stored = readAll(ctx, src)
				return stored
			}})
			path := written(t, large)
			out := b.uploadByFile(t, c.size, path, false)
			if c.change != nil {
				<-began
				if err := c.change(path); err != nil {
					t.Fatal(err)
				}
			}
			close(changed)
			if c.end != nil {
				if err := out.Send(c.end); err != nil && !errors.Is(err, io.EOF) {
					t.Fatal(err)
				}
			}
			if err := out.CloseSend(); err != nil {
				t.Fatal(err)
			}
			if err := answer(t.Context(), out, func(int64) {}); fault.KindOf(err) != c.want {
				t.Errorf("%v, want %v", err, c.want)
			}
			if (stored == nil) != (c.want == fault.None) {
				t.Errorf("the backend has %v", stored)
			}
		})
	}
}

func TestAnUploadOfAFileEndsWhenThePluginHasHadEnough(t *testing.T) {
	for name, c := range map[string]struct {
		put  func(context.Context, storage.Source) error
		want fault.Kind
	}{
		"a refusal": {func(context.Context, storage.Source) error { return errFull }, fault.NoSpace},
		"not read":  {func(context.Context, storage.Source) error { return nil }, fault.Internal},
	} {
		if err := over(t, reads{memory.New(1), c.put}).Put(t.Context(), "k", source(t, written(t, large))); fault.KindOf(err) != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestAnUploadOfAFileCanBeCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	b := over(t, reads{memory.New(1), func(ctx context.Context, src storage.Source) error {
		cancel()
		<-ctx.Done()
		ended <- readAll(ctx, src)
		return <-ended
	}})
	if err := b.Put(ctx, "k", source(t, written(t, large))); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// watched is a source whose readers are told of.
type watched struct {
	storage.Source
	took      chan int64
	committed chan struct{}
}

func (w watched) Open() (io.ReadCloser, error) {
	in, err := w.Source.Open()
	return watching{in, w}, err
}

type watching struct {
	io.ReadCloser
	watched
}

func (w watching) Watched() io.Reader { return w.ReadCloser }
func (w watching) Took(bytes int64)   { w.took <- bytes }
func (w watching) Committed()         { close(w.committed) }

func TestWhoWatchesAnUploadOfAFileIsToldHowFarItIs(t *testing.T) {
	w := watched{source(t, written(t, large)), make(chan int64), make(chan struct{})}
	next := make(chan bool)
	ended := make(chan error, 1)
	b := over(t, reads{memory.New(1), func(_ context.Context, src storage.Source) error {
		in, err := src.Open()
		if err != nil {
			return err
		}
		if _, is := src.(*passed); !is {
			return fmt.Errorf("it came as %T", src)
		}
		for range 2 {
			if _, err := in.(io.ReaderAt).ReadAt(make([]byte, 1000), 0); err != nil {
				return err
			}
			<-next
		}
		_, err = io.Copy(io.Discard, in)
		return err
	}})
	go func() { ended <- b.Put(t.Context(), "k", w) }()
	for _, want := range []int64{1000, 2000} {
		if took := <-w.took; took != want {
			t.Errorf("it has read %d bytes, want %d", took, want)
		}
		next <- true
	}
	took := int64(0)
	for running := true; running; {
		select {
		case took = <-w.took:
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
			running = false
		}
	}
	<-w.committed
	if took != large { // what it has read twice is its own
		t.Errorf("it took %d bytes of %d", took, large)
	}
}

// What is watched and no file goes as ever.
func TestWhoWatchesAnUploadOfNoFileReadsIt(t *testing.T) {
	kept := memory.New(1 << 30)
	w := watched{storage.Bytes(pattern(large)), make(chan int64), make(chan struct{})}
	if err := over(t, kept).Put(t.Context(), "k", w); err != nil {
		t.Fatal(err)
	}
	select {
	case <-w.committed:
		t.Error("it is told of")
	default:
	}
	if info, err := kept.Stat(t.Context(), "k"); err != nil || info.SizeBytes != large {
		t.Errorf("%+v, %v", info, err)
	}
}

// A file with a token that nobody waits for is let go of.
func TestAFileOfAStrangerIsClosed(t *testing.T) {
	data, dir := socket(t)
	f, err := os.Open(written(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	opened := func() int {
		all, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	before := opened()
	for range 20 {
		conn, err := datasocket.Dial(t.Context(), dir, data.Name(), make([]byte, datasocket.TokenBytes), f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("a stranger is sent something")
		}
		conn.Close()
	}
	if after := opened(); after > before+5 {
		t.Errorf("%d files are open, and there were %d", after, before)
	}
}
