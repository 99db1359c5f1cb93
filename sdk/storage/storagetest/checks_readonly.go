package storagetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

var readOnlyChecks = []Check{
	readOnlyCheck("ST-READ-001", "A storage that can only be read takes nothing: Put is fault.NotImplemented, and what is there stays.", 0, func(t *trial) {
		for name, content := range t.known {
			t.wantKind(t.Put(t.ctx, name, storage.Bytes(pattern(10, 1))), fault.NotImplemented, "Put %q", name)
			t.wantKnown(name, content)
		}
		t.wantKind(t.Put(t.ctx, key("absent"), storage.Bytes(pattern(10, 1))), fault.NotImplemented, "Put %q", key("absent"))
		_, err := t.Stat(t.ctx, key("absent"))
		t.wantKind(err, fault.NotFound, "Stat afterwards")
	}),
	readOnlyCheck("ST-READ-002", "A storage that can only be read deletes nothing: Delete is fault.NotImplemented, and what is there stays.", 0, func(t *trial) {
		for name, content := range t.known {
			t.wantKind(t.Delete(t.ctx, name), fault.NotImplemented, "Delete %q", name)
			t.wantKnown(name, content)
		}
	}),
	readOnlyCheck("ST-READ-003", "A storage that can only be read does not say that it creates, copies or sweeps.", 0, func(t *trial) {
		if says := storage.CapabilitiesOf(t.Backend) & (storage.CanCreate | storage.CanCopy | storage.CanSweep); says != 0 {
			t.errorf("it says %s", says)
		}
	}),
	readOnlyCheck("ST-READ-004", "Stat tells an object's key and size, and no sha256 but that of its bytes.", 0, func(t *trial) {
		for name, content := range t.known {
			t.wantTold(t.statKnown(name), name, content)
		}
	}),
	readOnlyCheck("ST-READ-005", "The version of an object stays while nobody replaces it.", 0, func(t *trial) {
		for name, content := range t.known {
			first := t.statKnown(name).Version
			t.wantKnown(name, content)
			if now := t.statKnown(name).Version; now != first {
				t.errorf("that of %q is %q, and was %q", name, now, first)
			}
		}
	}),
	readOnlyCheck("ST-READ-006", "What is beside an object is not there: fault.NotFound, by Stat and Get.", 0, func(t *trial) {
		for name := range t.known {
			for _, beside := range []string{name + "-absent", name + "/absent", strings.TrimSuffix(folderOf(name), "/"), folderOf(name) + "absent"} {
				if _, is := t.known[beside]; is || storage.CheckKey(beside) != nil {
					continue
				}
				_, err := t.Stat(t.ctx, beside)
				t.wantKind(err, fault.NotFound, "Stat %q", beside)
				_, err = t.tryRead(beside, storage.Range{})
				t.wantKind(err, fault.NotFound, "Get %q", beside)
			}
		}
	}),
	readOnlyCheck("ST-READ-007", "A range is the part of an object that it names, and ends with the object.", 0, func(t *trial) {
		for name, content := range t.known {
			t.wantKnown(name, content)
			size := int64(len(content))
			for _, r := range ranges(max(size, 1)) {
				offset, length, err := r.Of(size)
				if err != nil {
					continue
				}
				if got := t.read(name, r); !bytes.Equal(got, content[offset:offset+length]) {
					t.errorf("%q, %+v: %s, want %d bytes", name, r, brief(got), length)
				}
			}
		}
	}),
	readOnlyCheck("ST-READ-008", "A range that is negative, or begins behind the object's end, is fault.Invalid.", 0, func(t *trial) {
		for name, content := range t.known {
			size := int64(len(content))
			for _, r := range []storage.Range{{OffsetBytes: max(size, 1)}, {OffsetBytes: size + 1}, {OffsetBytes: 1 << 50}, {OffsetBytes: -1}, {LengthBytes: -1}} {
				_, err := t.tryRead(name, r)
				t.wantKind(err, fault.Invalid, "%q, %+v", name, r)
			}
		}
	}),
	readOnlyCheck("ST-READ-009", "Methods may be called concurrently: parts are read at the same time.", 0, func(t *trial) {
		name, whole := t.largest()
		const parts = 16
		got := make([][]byte, parts)
		errs := make([]error, parts)
		var reading sync.WaitGroup
		for i := range parts {
			from, to := i*len(whole)/parts, (i+1)*len(whole)/parts
			if from == to {
				continue
			}
			reading.Go(func() {
				got[i], errs[i] = t.tryRead(name, storage.Range{OffsetBytes: int64(from), LengthBytes: int64(to - from)})
			})
		}
		reading.Wait()
		if err := errors.Join(errs...); err != nil || !bytes.Equal(bytes.Join(got, nil), whole) {
			t.errorf("the parts are not the whole: %v", err)
		}
	}),
	readOnlyCheck("ST-READ-010", "A reader that is closed early frees what it holds, and one whose context ends returns soon, and never ends early without an error.", 0, func(t *trial) {
		name, whole := t.largest()
		for range 200 {
			in, err := t.Get(t.ctx, name, storage.Range{})
			if err == nil {
				_, err = in.Read(make([]byte, 10))
				err = errors.Join(err, in.Close())
			}
			if err != nil {
				t.fatalf("one that is closed early: %v", err)
			}
		}
		ctx, cancel := withCancel(t.ctx)
		defer cancel()
		in, err := t.Get(ctx, name, storage.Range{})
		if err != nil {
			t.fatalf("Get: %v", err)
		}
		defer in.Close()
		cancel()
		began := time.Now()
		got, err := io.ReadAll(in)
		if took := time.Since(began); took > returnSoon {
			t.errorf("it took %v to return", took)
		}
		if err == nil && !bytes.Equal(got, whole) {
			t.errorf("%d bytes of %d were read, and no error says so", len(got), len(whole))
		}
	}),
	readOnlyCheck("ST-READ-011", "Methods return with the context's error once that has ended.", 0, func(t *trial) {
		name, _ := t.largest()
		ended, cancel := withCancel(t.ctx)
		cancel()
		late, cancel := context.WithDeadline(t.ctx, time.Now().Add(-time.Second))
		defer cancel()
		for ctx, want := range map[context.Context]fault.Kind{ended: fault.Canceled, late: fault.Timeout} {
			_, err := t.Stat(ctx, name)
			t.wantKind(err, want, "Stat")
			in, err := t.Get(ctx, name, storage.Range{})
			if err == nil {
				_, err = io.ReadAll(in)
				in.Close()
			}
			t.wantKind(err, want, "Get")
			t.wantKind(t.Put(ctx, name, storage.Bytes(nil)), want, "Put")
			t.wantKind(t.Delete(ctx, name), want, "Delete")
			_, err = t.listed(ctx, folderOf(name))
			if fault.KindOf(err) != fault.NotImplemented {
				t.wantKind(err, want, "List")
			}
		}
	}),
	readOnlyCheck("ST-READ-012", "List yields each object whose key begins with the prefix, once, with what Stat tells, or is fault.NotImplemented as a whole.", 0, func(t *trial) {
		for prefix := range t.prefixes() {
			all, err := t.listed(t.ctx, prefix)
			if fault.KindOf(err) == fault.NotImplemented {
				if len(all) > 0 {
					t.errorf("List %q yields %d and is not implemented", prefix, len(all))
				}
				continue
			}
			if err != nil {
				t.fatalf("List %q: %v", prefix, err)
			}
			t.wantKeys("List", prefix, all)
		}
	}),
	readOnlyCheck("ST-READ-013", "The pages of a listing have each object once, or are fault.NotImplemented.", 0, func(t *trial) {
		for prefix := range t.prefixes() {
			r := storage.PageRequest{Prefix: prefix, Limit: 1}
			var all []storage.Info
			for more := true; more; more = r.Token != "" {
				page, err := storage.ListPage(t.ctx, t.Backend, r)
				if fault.KindOf(err) == fault.NotImplemented && r.Token == "" {
					break
				}
				if err != nil || len(page.Objects) > 1 {
					t.fatalf("a page of %q has %d objects, %v", prefix, len(page.Objects), err)
				}
				all = append(all, page.Objects...)
				r.Token = page.NextToken
			}
			if len(all) > 0 {
				t.wantKeys("the pages of", prefix, all)
			}
		}
	}),
	readOnlyCheck("ST-READ-014", "An address serves an object and its ranges, with no header but those that are returned with it; an object that has none is fault.NotImplemented.", storage.CanPresign, func(t *trial) {
		for name, content := range t.known {
			signed, err := as[storage.Presigner](t).PresignGet(t.ctx, name, time.Minute)
			if fault.KindOf(err) == fault.NotImplemented {
				continue
			}
			if err != nil {
				t.fatalf("PresignGet %q: %v", name, err)
			}
			half := content[len(content)/2:]
			if status, got, err := t.fetch(signed, ""); err != nil || status != http.StatusOK || !bytes.Equal(got, content) {
				t.errorf("%q: %d, %s, %v", name, status, brief(got), err)
			}
			if len(content) == 0 {
				continue
			}
			if status, got, err := t.fetch(signed, rangeFrom(len(content)/2)); err != nil || status != http.StatusPartialContent || !bytes.Equal(got, half) {
				t.errorf("the second half of %q: %d, %s, %v", name, status, brief(got), err)
			}
		}
	}),
}

// readOnlyCheck returns a check of a storage that can only be read.
func readOnlyCheck(id, sentence string, needs storage.Capabilities, try func(*trial)) Check {
	return Check{ID: id, Sentence: sentence, Needs: storage.OnlyReads | needs, reads: true, try: func(t *trial) {
		if len(t.known) == 0 {
			t.fatalf("nobody has said which objects it has")
		}
		try(t)
	}}
}

func folderOf(key string) string { return key[:strings.LastIndexByte(key, '/')+1] }

// prefixes are those that known objects are listed by: all, folders, names, and parts of
// names.
func (t *trial) prefixes() map[string]bool {
	all := map[string]bool{"": true}
	for name := range t.known {
		all[folderOf(name)], all[name], all[name[:len(name)-1]] = true, true, true
	}
	maps.DeleteFunc(all, func(prefix string, _ bool) bool { return storage.CheckPrefix(prefix) != nil })
	return all
}

// largest returns the largest of the known objects.
func (t *trial) largest() (name string, content []byte) {
	for _, one := range slices.Sorted(maps.Keys(t.known)) {
		if len(t.known[one]) > len(content) || name == "" {
			name, content = one, t.known[one]
		}
	}
	return name, content
}

func (t *trial) statKnown(name string) storage.Info {
	info, err := t.Stat(t.ctx, name)
	if err != nil {
		t.fatalf("Stat %q: %v", name, err)
	}
	return info
}

// wantKnown checks that an object still has its bytes.
func (t *trial) wantKnown(name string, content []byte) {
	if got := t.read(name, storage.Range{}); !bytes.Equal(got, content) {
		t.errorf("Get %q returns %s, want %s", name, brief(got), brief(content))
	}
}

// wantTold checks what is told of an object.
func (t *trial) wantTold(info storage.Info, name string, content []byte) {
	if info.Key != name || info.SizeBytes != int64(len(content)) {
		t.errorf("%q of %d bytes is told as %q of %d", name, len(content), info.Key, info.SizeBytes)
	}
	t.wantSum(info, content)
}

// wantKeys checks that a listing has the known objects of a prefix, once each, and
// nothing of another.
func (t *trial) wantKeys(how, prefix string, all []storage.Info) {
	times := map[string]int{}
	for _, info := range all {
		times[info.Key]++
		if !strings.HasPrefix(info.Key, prefix) {
			t.errorf("%s %q have %q", how, prefix, info.Key)
		}
		if content, is := t.known[info.Key]; is {
			t.wantTold(info, info.Key, content)
		}
	}
	for name := range t.known {
		if strings.HasPrefix(name, prefix) && times[name] != 1 {
			t.errorf("%s %q have %q %d times", how, prefix, name, times[name])
		}
	}
}

// listed returns a listing, with the error that ended it.
func (t *trial) listed(ctx context.Context, prefix string) (all []storage.Info, err error) {
	for info, err := range t.List(ctx, prefix) {
		if err != nil {
			return all, err
		}
		all = append(all, info)
	}
	return all, nil
}

// rangeFrom is a header for all that follows.
func rangeFrom(offset int) string { return "bytes=" + strconv.Itoa(offset) + "-" }
