package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

func withCancel(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithCancel(ctx)
}

// as returns the backend as what the check needs.
func as[T any](t *trial) T {
	b := t.Backend
	if c, ok := b.(claiming); ok {
		b = c.Backend
	}
	does, ok := b.(T)
	if !ok {
		t.fatalf("it can't")
	}
	return does
}

var createChecks = []Check{
	{ID: "ST-CREATE-001", Needs: storage.CanCreate, Sentence: "Create puts an object only where there is none, and is fault.Conflict otherwise.", try: func(t *trial) {
		b := as[storage.Creator](t)
		if err := b.Create(t.ctx, key("a"), storage.Bytes(pattern(1000, 1))); err != nil {
			t.fatalf("Create: %v", err)
		}
		t.want(key("a"), pattern(1000, 1))
		err := b.Create(t.ctx, key("a"), storage.Bytes(pattern(1000, 2)))
		t.wantKind(err, fault.Conflict, "Create again")
		t.want(key("a"), pattern(1000, 1))
	}},
	{ID: "ST-CREATE-002", Needs: storage.CanCreate, Sentence: "Of several at once for one key exactly one succeeds.", try: func(t *trial) {
		b := as[storage.Creator](t)
		const racers = 16
		errs := make([]error, racers)
		var racing sync.WaitGroup
		for i := range racers {
			racing.Go(func() { errs[i] = b.Create(t.ctx, key("a"), storage.Bytes(pattern(50_000, byte(i)))) })
		}
		racing.Wait()
		winners := 0
		for i, err := range errs {
			if err == nil {
				winners++
				t.want(key("a"), pattern(50_000, byte(i)))
				continue
			}
			t.wantKind(err, fault.Conflict, "one that was not the first")
		}
		if winners != 1 {
			t.errorf("%d succeeded", winners)
		}
	}},
	{ID: "ST-CREATE-003", Needs: storage.CanCreate, Sentence: "A Create whose source fails leaves nothing to see.", try: func(t *trial) {
		b := as[storage.Creator](t)
		if err := b.Create(t.ctx, key("b"), storage.Bytes(nil)); err != nil {
			t.fatalf("Create: %v", err)
		}
		err := b.Create(t.ctx, key("a"), &broken{content: pattern(1000, 1), size: -1, err: errSource})
		if !errors.Is(err, errSource) {
			t.errorf("Create: %v", err)
		}
		t.wantNone(key("a"))
	}},
}

var copyChecks = []Check{
	{ID: "ST-COPY-001", Needs: storage.CanCopy, Sentence: "Copy puts the bytes of source at target, in place of what may be there.", try: func(t *trial) {
		t.put(key("a"), pattern(100_000, 1))
		t.put(key("b"), pattern(10, 2))
		for _, target := range []string{key("b"), key("new/c")} {
			if err := as[storage.Copier](t).Copy(t.ctx, target, key("a")); err != nil {
				t.fatalf("Copy: %v", err)
			}
			t.want(target, pattern(100_000, 1))
		}
		t.want(key("a"), pattern(100_000, 1))
	}},
	{ID: "ST-COPY-002", Needs: storage.CanCopy, Sentence: "A source of a Copy that is not there is fault.NotFound.", try: func(t *trial) {
		t.put(key("b"), []byte("x"))
		t.wantKind(as[storage.Copier](t).Copy(t.ctx, key("b"), key("absent")), fault.NotFound, "Copy")
		t.want(key("b"), []byte("x"))
	}},
	{ID: "ST-COPY-003", Needs: storage.CanCopy, Sentence: "A copy does not change with its source.", try: func(t *trial) {
		t.put(key("a"), pattern(1000, 1))
		if err := as[storage.Copier](t).Copy(t.ctx, key("b"), key("a")); err != nil {
			t.fatalf("Copy: %v", err)
		}
		t.put(key("a"), pattern(1000, 2))
		t.want(key("b"), pattern(1000, 1))
	}},
}

var pageChecks = []Check{
	{ID: "ST-PAGE-001", Needs: storage.CanPage, Sentence: "The pages of a listing have each object once.", try: func(t *trial) {
		var want []string
		for i := range 50 {
			want = append(want, key(fmt.Sprintf("p/%02d/x", i)))
			t.put(want[i], nil)
		}
		got, _ := t.pages(storage.PageRequest{Prefix: key("p/"), Limit: 7})
		if slices.Sort(got); !slices.Equal(got, want) {
			t.errorf("%q\nwant %q", got, want)
		}
	}},
	{ID: "ST-PAGE-002", Needs: storage.CanPage, Sentence: "Folders stand for the keys that go on with a slash.", try: func(t *trial) {
		for _, name := range []string{"f/a", "f/b/1", "f/b/2", "f/c/d/3", "f/e"} {
			t.put(key(name), nil)
		}
		objects, folders := t.pages(storage.PageRequest{Prefix: key("f/"), Folders: true, Limit: 2})
		slices.Sort(objects)
		slices.Sort(folders)
		if want := []string{key("f/a"), key("f/e")}; !slices.Equal(objects, want) {
			t.errorf("objects: %q, want %q", objects, want)
		}
		if want := []string{key("f/b/"), key("f/c/")}; !slices.Equal(folders, want) {
			t.errorf("folders: %q, want %q", folders, want)
		}
	}},
	{ID: "ST-PAGE-003", Needs: storage.CanPage, Sentence: "A token that no page told is fault.Invalid.", try: func(t *trial) {
		t.put(key("a"), nil)
		_, err := as[storage.Pager](t).Page(t.ctx, storage.PageRequest{Prefix: key(""), Token: "\x00made up", Limit: 10})
		t.wantKind(err, fault.Invalid, "Page")
	}},
}

var locateChecks = []Check{
	{ID: "ST-LOCATE-001", Needs: storage.CanLocate, Sentence: "An object is a file of its own, with exactly its bytes.", try: func(t *trial) {
		t.put(key("l/a"), pattern(100_000, 1))
		path, err := as[storage.Locator](t).LocalPath(t.ctx, key("l/a"))
		if err != nil {
			t.fatalf("LocalPath: %v", err)
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, pattern(100_000, 1)) {
			t.errorf("%s has %s, %v", path, brief(got), err)
		}
	}},
	{ID: "ST-LOCATE-002", Needs: storage.CanLocate, Sentence: "An object that is not there has no file: fault.NotFound.", try: func(t *trial) {
		_, err := as[storage.Locator](t).LocalPath(t.ctx, key("absent"))
		t.wantKind(err, fault.NotFound, "LocalPath")
	}},
}

var sweepChecks = []Check{
	{ID: "ST-SWEEP-001", Needs: storage.CanSweep, Sentence: "Sweep removes what uploads have left, and no object.", try: func(t *trial) {
		t.put(key("a"), pattern(1000, 1))
		if _, err := as[storage.Sweeper](t).Sweep(t.ctx, 0); err != nil {
			t.fatalf("Sweep: %v", err)
		}
		t.want(key("a"), pattern(1000, 1))
	}},
	{ID: "ST-SWEEP-002", Needs: storage.CanSweep, Sentence: "An upload that goes on is not swept up.", try: func(t *trial) {
		ctx, cancel := withCancel(t.ctx)
		defer cancel()
		reached, goOn := make(chan struct{}), make(chan struct{})
		ended := make(chan error, 1)
		go func() {
			ended <- t.Put(ctx, key("a"), &broken{content: pattern(300_000, 1), size: -1, reached: reached, goOn: goOn, ctx: ctx})
		}()
		select {
		case <-reached:
		case err := <-ended:
			t.fatalf("Put ended before its source did: %v", err)
		}
		if _, err := as[storage.Sweeper](t).Sweep(t.ctx, time.Hour); err != nil {
			t.errorf("Sweep: %v", err)
		}
		close(goOn)
		if err := <-ended; err != nil {
			t.fatalf("Put: %v", err)
		}
		t.want(key("a"), pattern(300_000, 1))
	}},
}

// pages returns all entries of a listing.
func (t *trial) pages(r storage.PageRequest) (objects, folders []string) {
	for range 1000 {
		page, err := as[storage.Pager](t).Page(t.ctx, r)
		if err != nil {
			t.fatalf("Page %+v: %v", r, err)
		}
		if n := len(page.Objects) + len(page.Folders); n > r.Limit {
			t.errorf("a page of at most %d has %d entries", r.Limit, n)
		}
		for _, o := range page.Objects {
			objects = append(objects, o.Key)
		}
		folders = append(folders, page.Folders...)
		if r.Token = page.NextToken; r.Token == "" {
			return objects, folders
		}
	}
	t.fatalf("the pages do not end")
	return nil, nil
}
