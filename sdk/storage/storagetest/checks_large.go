package storagetest

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"testing/iotest"

	"github.com/corral-fleet/corral/sdk/storage"
)

// Sizes behind which services send in parts.
const (
	partBytes  = 8 << 20
	largeBytes = 17<<20 + 1
)

var largeChecks = []Check{
	{ID: "ST-PUT-011", Sentence: "An object that is sent in parts is stored whole.", try: func(t *trial) {
		for _, size := range []int{5<<20 + 1, partBytes, largeBytes} {
			content := pattern(size, byte(size))
			t.put(key("large"), content)
			t.want(key("large"), content)
		}
	}},
	{ID: "ST-PUT-012", Sentence: "A large source of unknown size is stored whole.", try: func(t *trial) {
		content := pattern(largeBytes, 9)
		if err := t.Put(t.ctx, key("large"), storage.Once(bytes.NewReader(content), -1)); err != nil {
			t.fatalf("Put: %v", err)
		}
		t.want(key("large"), content)
	}},
	{ID: "ST-PUT-013", Sentence: "A large upload that fails leaves nothing to see, and does not harm what was there.", try: func(t *trial) {
		t.put(key("old"), pattern(1000, 1))
		for _, name := range []string{"old", "new"} {
			err := t.Put(t.ctx, key(name), &broken{content: pattern(largeBytes-partBytes/2, 2), size: largeBytes, err: errSource})
			if !errors.Is(err, errSource) {
				t.errorf("Put %q: %v", key(name), err)
			}
		}
		t.want(key("old"), pattern(1000, 1))
		t.wantNone(key("new"))
	}},
	{ID: "ST-PUT-014", Sentence: "Who reads while an object is replaced sees one version, whole.", try: func(t *trial) {
		const size, rounds = 300_000, 12
		t.put(key("a"), bytes.Repeat([]byte{0}, size))
		ctx, cancel := withCancel(t.ctx)
		var reading sync.WaitGroup
		var mu sync.Mutex
		for range 3 {
			reading.Go(func() {
				for ctx.Err() == nil {
					got, err := t.tryRead(key("a"), storage.Range{})
					if err == nil && (len(got) != size || bytes.Count(got, got[:1]) != size) {
						mu.Lock()
						t.errorf("what was read is no version: %s", brief(got))
						mu.Unlock()
						return
					}
				}
			})
		}
		var failed error
		for i := range rounds {
			failed = errors.Join(failed, t.Put(t.ctx, key("a"), storage.Bytes(bytes.Repeat([]byte{byte(i)}, size))))
		}
		cancel()
		reading.Wait()
		if failed != nil {
			t.fatalf("Put: %v", failed)
		}
	}},
	{ID: "ST-PUT-015", Sentence: "A source that can't be opened is an error, which is returned, and leaves what was there.", try: func(t *trial) {
		t.put(key("a"), pattern(1000, 1))
		for _, name := range []string{"a", "b"} {
			if err := t.Put(t.ctx, key(name), unopened{}); !errors.Is(err, errSource) {
				t.errorf("Put %q: %v", key(name), err)
			}
		}
		t.want(key("a"), pattern(1000, 1))
		t.wantNone(key("b"))
	}},
	{ID: "ST-PUT-016", Sentence: "An object can be put where an upload of it has failed.", try: func(t *trial) {
		for i := range 3 {
			if err := t.Put(t.ctx, key("a"), &broken{content: pattern(1000, 1), size: -1, err: errSource}); err == nil {
				t.errorf("a source that fails is stored")
			}
			t.put(key("a"), pattern(2000, byte(i)))
			t.want(key("a"), pattern(2000, byte(i)))
		}
	}},
	{ID: "ST-PUT-017", Sentence: "All of a reader is taken: bytes that come with its end, and after a Read of none.", try: func(t *trial) {
		content := pattern(100_000, 4)
		for name, r := range map[string]io.Reader{
			"with its end": iotest.DataErrReader(bytes.NewReader(content)), "by halves": iotest.HalfReader(bytes.NewReader(content)), "now and then none": &hesitant{r: bytes.NewReader(content)},
		} {
			if err := t.Put(t.ctx, key("a"), storage.Once(r, -1)); err != nil {
				t.fatalf("%s: %v", name, err)
			}
			if got := t.read(key("a"), storage.Range{}); !bytes.Equal(got, content) {
				t.errorf("%s: %s, want %d bytes", name, brief(got), len(content))
			}
		}
	}},
	{ID: "ST-PUT-018", Sentence: "What Put has stored stays when its context ends afterwards.", try: func(t *trial) {
		ctx, cancel := withCancel(t.ctx)
		if err := t.Put(ctx, key("a"), storage.Bytes(pattern(1000, 1))); err != nil {
			cancel()
			t.fatalf("Put: %v", err)
		}
		cancel()
		t.want(key("a"), pattern(1000, 1))
	}},
	{ID: "ST-PUT-019", Sentence: "Nothing of an upload is listed before it is whole, under whatever key.", try: func(t *trial) {
		t.put(key("a"), nil)
		before := t.list("")
		ctx, cancel := withCancel(t.ctx)
		defer cancel()
		reached := make(chan struct{})
		ended := make(chan error, 1)
		go func() {
			ended <- t.Put(ctx, key("b"), &broken{content: pattern(3<<20, 2), size: -1, ctx: ctx, reached: reached})
		}()
		select {
		case <-reached:
		case err := <-ended:
			t.fatalf("Put ended before its source did: %v", err)
		}
		if now := t.list(""); len(now) != len(before) {
			t.errorf("List has %q now, and had %q", now, before)
		}
		cancel()
		if err := <-ended; err == nil {
			t.errorf("an upload that was cancelled is stored")
		}
		if now := t.list(""); len(now) != len(before) {
			t.errorf("after its end List has %q, and had %q", now, before)
		}
	}},
}

// unopened is a source that can't be opened.
type unopened struct{}

func (unopened) SizeBytes() int64             { return 1000 }
func (unopened) Open() (io.ReadCloser, error) { return nil, errSource }

// hesitant reads nothing each second time, which readers may.
type hesitant struct {
	r    io.Reader
	none bool
}

func (h *hesitant) Read(p []byte) (int, error) {
	if h.none = !h.none; h.none {
		return 0, nil
	}
	return h.r.Read(p[:min(len(p), 10_000)])
}

var deletingChecks = []Check{{ID: "ST-DELETE-005", Sentence: "Several may delete one object at once.", try: func(t *trial) {
	const racers = 8
	t.put(key("a"), pattern(1000, 1))
	errs := make([]error, racers)
	var racing sync.WaitGroup
	for i := range racers {
		racing.Go(func() { errs[i] = t.Delete(t.ctx, key("a")) })
	}
	racing.Wait()
	if err := errors.Join(errs...); err != nil {
		t.errorf("Delete: %v", err)
	}
	t.wantNone(key("a"))
}}}
