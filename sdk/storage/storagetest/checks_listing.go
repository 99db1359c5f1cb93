package storagetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

var listingChecks = []Check{
	{ID: "ST-LIST-006", Sentence: "A prefix is taken as it is, whatever it means to somebody else.", try: func(t *trial) {
		names := []string{"a%b", "axb", "a_b", "a*b", "a[x]b", "a?b", "a\\b", "A%b"}
		for _, name := range names {
			t.put(key(name), nil)
		}
		for _, prefix := range []string{"a%", "a_", "a*", "a[", "a?", "a\\", "A", "a"} {
			var want []string
			for _, name := range names {
				if strings.HasPrefix(name, prefix) {
					want = append(want, key(name))
				}
			}
			slices.Sort(want)
			if got := t.list(key(prefix)); !slices.Equal(got, want) {
				t.errorf("List %q: %q, want %q", key(prefix), got, want)
			}
		}
	}},
	{ID: "ST-LIST-007", Sentence: "What is neither put nor deleted while it is listed is listed, once.", try: func(t *trial) {
		const still = 60
		var want []string
		for i := range still {
			name := key(fmt.Sprintf("l/%02d-still", i))
			t.put(name, nil)
			t.put(key(fmt.Sprintf("l/%02d-goes", i)), nil)
			want = append(want, name)
		}
		var got []string
		i := 0
		for info, err := range t.List(t.ctx, key("l/")) {
			if err != nil {
				t.fatalf("List: %v", err)
			}
			if strings.HasSuffix(info.Key, "-still") {
				got = append(got, info.Key)
			}
			if i < still { // meanwhile something else goes, and comes
				if err := errors.Join(t.Delete(t.ctx, key(fmt.Sprintf("l/%02d-goes", i))), t.Put(t.ctx, key(fmt.Sprintf("l/new-%02d", i)), storage.Bytes(nil))); err != nil {
					t.fatalf("while it is listed: %v", err)
				}
				i++
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.errorf("%d of %d are listed: %q", len(got), still, got)
		}
	}},
	{ID: "ST-LIST-008", Sentence: "Several may list at once.", try: func(t *trial) {
		const lists = 8
		var want []string
		for i := range 40 {
			want = append(want, key(fmt.Sprintf("l/%02d", i)))
			t.put(want[i], nil)
		}
		got := make([][]string, lists)
		errs := make([]error, lists)
		var listing sync.WaitGroup
		for i := range lists {
			listing.Go(func() {
				for info, err := range t.List(t.ctx, key("l/")) {
					errs[i] = errors.Join(errs[i], err)
					got[i] = append(got[i], info.Key)
				}
			})
		}
		listing.Wait()
		for i := range lists {
			if slices.Sort(got[i]); errs[i] != nil || !slices.Equal(got[i], want) {
				t.errorf("%q, %v", got[i], errs[i])
			}
		}
	}},
	{ID: "ST-LIST-009", Sentence: "A listing whose context ends returns soon, and never ends early without an error.", try: func(t *trial) {
		const many = 300
		for i := range many {
			t.put(key(fmt.Sprintf("l/%03d", i)), nil)
		}
		ctx, cancel := withCancel(t.ctx)
		defer cancel()
		n := 0
		var failed error
		var began time.Time
		for _, err := range t.List(ctx, key("l/")) {
			if failed = err; err != nil {
				break
			}
			if n++; n == 1 {
				cancel()
				began = time.Now()
			}
		}
		if took := time.Since(began); took > returnSoon {
			t.errorf("it took %v to return", took)
		}
		switch {
		case failed != nil:
			t.wantKind(failed, fault.Canceled, "List")
		case n != many:
			t.errorf("%d of %d were listed, and no error says so", n, many)
		}
	}},
	{ID: "ST-LIST-010", Sentence: "What List tells of an object is what Stat tells.", try: func(t *trial) {
		t.put(key("a"), pattern(10, 1))
		t.put(key("a"), pattern(4321, 2))
		stat, err := t.Stat(t.ctx, key("a"))
		if err != nil {
			t.fatalf("Stat: %v", err)
		}
		for info, err := range t.List(t.ctx, key("a")) {
			if err != nil {
				t.fatalf("List: %v", err)
			}
			off := info.ModifiedAt.Sub(stat.ModifiedAt).Abs()
			if info.SizeBytes != stat.SizeBytes || !info.ModifiedAt.IsZero() && !stat.ModifiedAt.IsZero() && off > 2*time.Second {
				t.errorf("List tells %+v, Stat %+v", info, stat)
			}
		}
	}},
}

var namingChecks = []Check{
	{ID: "ST-KEY-003", Sentence: "Keys are told apart to their last byte.", try: func(t *trial) {
		long := key(strings.Repeat("x", storage.MaxSegmentBytes-1))
		for i, end := range []string{"a", "b", "A"} {
			t.put(long+end, pattern(10+i, byte(i)))
		}
		for i, end := range []string{"a", "b", "A"} {
			t.want(long+end, pattern(10+i, byte(i)))
		}
		t.wantNone(long)
	}},
	{ID: "ST-KEY-004", Sentence: "Any name is an object's, also one that looks like something that a service keeps for itself.", try: func(t *trial) {
		for i, name := range []string{"a.tmp", "a.part", "a.partial", "a.lock", "a~", "#a#", "a.sha256", "a.json", "a.metadata", "tmp", "x/.corral/y", "index.html", ".DS_Store", "uploads"} {
			t.put(key(name), pattern(20, byte(i)))
			t.want(key(name), pattern(20, byte(i)))
		}
	}},
}

var comingChecks = []Check{
	{ID: "ST-CREATE-004", Needs: storage.CanCreate, Sentence: "An object can be created where one was deleted.", try: func(t *trial) {
		b := as[storage.Creator](t)
		for i := range 3 {
			if err := b.Create(t.ctx, key("a"), storage.Bytes(pattern(100, byte(i)))); err != nil {
				t.fatalf("Create: %v", err)
			}
			t.want(key("a"), pattern(100, byte(i)))
			if err := t.Delete(t.ctx, key("a")); err != nil {
				t.fatalf("Delete: %v", err)
			}
		}
	}},
	{ID: "ST-CREATE-005", Needs: storage.CanCreate, Sentence: "A Create that is cancelled leaves its key free.", try: func(t *trial) {
		b := as[storage.Creator](t)
		ctx, cancel := withCancel(t.ctx)
		defer cancel()
		reached := make(chan struct{})
		ended := make(chan error, 1)
		go func() {
			ended <- b.Create(ctx, key("a"), &broken{content: pattern(1000, 1), size: -1, ctx: ctx, reached: reached})
		}()
		select {
		case <-reached:
		case err := <-ended:
			t.fatalf("Create ended before its source did: %v", err)
		}
		cancel()
		t.wantKind(<-ended, fault.Canceled, "Create")
		if err := b.Create(t.ctx, key("a"), storage.Bytes(pattern(100, 2))); err != nil {
			t.fatalf("Create afterwards: %v", err)
		}
		t.want(key("a"), pattern(100, 2))
	}},
	{ID: "ST-COPY-004", Needs: storage.CanCopy, Sentence: "A large object is copied whole.", try: func(t *trial) {
		t.put(key("a"), pattern(largeBytes, 3))
		if err := as[storage.Copier](t).Copy(t.ctx, key("b"), key("a")); err != nil {
			t.fatalf("Copy: %v", err)
		}
		t.want(key("b"), pattern(largeBytes, 3))
	}},
	{ID: "ST-COPY-005", Needs: storage.CanCopy, Sentence: "A Copy whose context has ended copies nothing.", try: func(t *trial) {
		b := as[storage.Copier](t)
		t.put(key("a"), pattern(1000, 3))
		if err := b.Copy(t.ctx, key("c"), key("a")); err != nil {
			t.fatalf("Copy: %v", err)
		}
		ctx, cancel := context.WithCancel(t.ctx)
		cancel()
		t.wantKind(b.Copy(ctx, key("b"), key("a")), fault.Canceled, "Copy")
		t.wantNone(key("b"))
	}},
}
