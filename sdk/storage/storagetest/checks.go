package storagetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

func quote(b []byte) string { return fmt.Sprintf("%q (%d bytes)", b, len(b)) }

var statChecks = []Check{
	{ID: "ST-STAT-001", reads: true, Sentence: "Stat of an object that is not there is fault.NotFound.", try: func(t *trial) {
		_, err := t.Stat(t.ctx, key("absent"))
		t.wantKind(err, fault.NotFound, "Stat")
	}},
	{ID: "ST-STAT-002", Sentence: "Stat tells an object's key and size.", try: func(t *trial) {
		t.put(key("a"), pattern(12345, 1))
		t.want(key("a"), pattern(12345, 1))
	}},
	{ID: "ST-STAT-003", Sentence: "A version is another one for other bytes.", try: func(t *trial) {
		t.put(key("a"), pattern(10, 1))
		before, _ := t.Stat(t.ctx, key("a"))
		t.put(key("a"), pattern(10, 2))
		after, err := t.Stat(t.ctx, key("a"))
		if err != nil || before.Version != "" && before.Version == after.Version {
			t.errorf("both are %q, %v", after.Version, err)
		}
	}},
	{ID: "ST-STAT-004", Sentence: "A time is when the object was put.", try: func(t *trial) {
		t.put(key("a"), nil)
		info, err := t.Stat(t.ctx, key("a"))
		if err != nil {
			t.fatalf("Stat: %v", err)
		}
		if off := time.Since(info.ModifiedAt).Abs(); !info.ModifiedAt.IsZero() && off > time.Hour {
			t.errorf("it was put at %v, which is %v off", info.ModifiedAt, off)
		}
	}},
	{ID: "ST-STAT-005", Sentence: "The beginning of a key, up to a slash or not, is not an object.", try: func(t *trial) {
		t.put(key("folder/a"), []byte("x"))
		for _, name := range []string{"folder", "fold", "folder/a/b"} {
			_, err := t.Stat(t.ctx, key(name))
			t.wantKind(err, fault.NotFound, "Stat %q", key(name))
		}
	}},
}

var getChecks = []Check{
	{ID: "ST-GET-001", reads: true, Sentence: "Get of an object that is not there is fault.NotFound, here or at the first Read.", try: func(t *trial) {
		_, err := t.tryRead(key("absent"), storage.Range{})
		t.wantKind(err, fault.NotFound, "Get")
	}},
	{ID: "ST-GET-002", Sentence: "A range is the part of the object that it names, and ends with the object.", try: func(t *trial) {
		whole := pattern(100_000, 3)
		t.put(key("a"), whole)
		size := int64(len(whole))
		for _, r := range ranges(size) {
			offset, length, _ := r.Of(size)
			if got := t.read(key("a"), r); !bytes.Equal(got, whole[offset:offset+length]) {
				t.errorf("%+v: %s, want %d bytes", r, brief(got), length)
			}
		}
	}},
	{ID: "ST-GET-003", Sentence: "A range that begins behind the object's end is fault.Invalid.", try: func(t *trial) {
		t.put(key("a"), pattern(10, 1))
		for _, offset := range []int64{10, 11, 1 << 40} {
			_, err := t.tryRead(key("a"), storage.Range{OffsetBytes: offset})
			t.wantKind(err, fault.Invalid, "from %d on", offset)
		}
	}},
	{ID: "ST-GET-004", Sentence: "An empty object is read as nothing, without an error.", try: func(t *trial) {
		t.put(key("empty"), nil)
		t.want(key("empty"), nil)
	}},
	{ID: "ST-GET-005", Sentence: "What is read is one version of the object, even if it is replaced meanwhile, or the reader fails.", try: func(t *trial) {
		old := pattern(1<<20, 1)
		t.put(key("a"), old)
		in, first := t.begin(t.ctx, key("a"))
		defer in.Close()
		t.put(key("a"), pattern(1<<20, 2))
		rest, err := io.ReadAll(in)
		if got := append(first, rest...); err == nil && !bytes.Equal(got, old) && !bytes.Equal(got, pattern(1<<20, 2)) {
			t.errorf("what was read is neither version, and no error says so")
		}
	}},
	{ID: "ST-GET-006", Sentence: "Methods may be called concurrently: parts are read at the same time.", try: func(t *trial) {
		whole := pattern(1<<20, 4)
		t.put(key("a"), whole)
		const parts = 32
		got := make([][]byte, parts)
		errs := make([]error, parts)
		var reading sync.WaitGroup
		for i := range parts {
			reading.Go(func() {
				got[i], errs[i] = t.tryRead(key("a"), storage.Range{OffsetBytes: int64(i * len(whole) / parts), LengthBytes: int64(len(whole) / parts)})
			})
		}
		reading.Wait()
		if err := errors.Join(errs...); err != nil || !bytes.Equal(bytes.Join(got, nil), whole) {
			t.errorf("the parts are not the whole: %v", err)
		}
	}},
	{ID: "ST-GET-007", Sentence: "A reader that is closed early frees what it holds.", try: func(t *trial) {
		t.put(key("a"), pattern(1<<20, 5))
		for range 200 {
			in, err := t.Get(t.ctx, key("a"), storage.Range{})
			if err != nil {
				t.fatalf("Get: %v", err)
			}
			if _, err := in.Read(make([]byte, 10)); err != nil {
				t.fatalf("Read: %v", err)
			}
			if err := in.Close(); err != nil {
				t.fatalf("Close: %v", err)
			}
		}
	}},
}

// ranges are parts of an object of so many bytes, with all edges.
func ranges(size int64) []storage.Range {
	var all []storage.Range
	for _, offset := range []int64{0, 1, 4095, 65536, size - 1} {
		for _, length := range []int64{0, 1, 4097, size, size + 1, 1 << 40} {
			all = append(all, storage.Range{OffsetBytes: offset, LengthBytes: length})
		}
	}
	return all
}

var errSource = errors.New("the source of a check fails, as it should")

var putChecks = []Check{
	{ID: "ST-PUT-001", Sentence: "Put stores all of its source, of whatever size.", try: func(t *trial) {
		for _, size := range []int{0, 1, 2, 4095, 4096, 4097, 65535, 65536, 65537, 1<<20 - 1, 1 << 20, 1<<20 + 1, 1_047_551, 1_047_552, 1_047_553} {
			name := key(fmt.Sprintf("size-%d", size))
			t.put(name, pattern(size, 7))
			t.want(name, pattern(size, 7))
		}
	}},
	{ID: "ST-PUT-002", Sentence: "A source may be of unknown size.", try: func(t *trial) {
		for _, size := range []int{0, 1, 300_000} {
			name := key(fmt.Sprintf("size-%d", size))
			if err := t.Put(t.ctx, name, storage.Once(bytes.NewReader(pattern(size, 8)), -1)); err != nil {
				t.fatalf("Put %d bytes: %v", size, err)
			}
			t.want(name, pattern(size, 8))
		}
	}},
	{ID: "ST-PUT-003", Sentence: "Put stores an object in place of one that may be there.", try: func(t *trial) {
		for i, size := range []int{100_000, 10, 0, 50_000} {
			t.put(key("a"), pattern(size, byte(i)))
			t.want(key("a"), pattern(size, byte(i)))
		}
	}},
	{ID: "ST-PUT-004", Sentence: "An upload that fails leaves nothing to see, and its source's error is returned.", try: func(t *trial) {
		for _, failure := range []error{errSource, io.ErrUnexpectedEOF} {
			for _, size := range []int64{-1, 1 << 20} {
				err := t.Put(t.ctx, key("a"), &broken{content: pattern(500_000, 1), size: size, err: failure})
				if !errors.Is(err, failure) {
					t.errorf("a source of %d bytes that fails with %q: %v", size, failure, err)
				}
				t.wantNone(key("a"))
			}
		}
	}},
	{ID: "ST-PUT-005", Sentence: "An upload that fails does not harm what was there.", try: func(t *trial) {
		t.put(key("a"), pattern(1000, 1))
		if err := t.Put(t.ctx, key("a"), &broken{content: pattern(500_000, 2), size: 1 << 20, err: errSource}); err == nil {
			t.errorf("a source that fails is stored")
		}
		t.want(key("a"), pattern(1000, 1))
	}},
	{ID: "ST-PUT-006", Sentence: "A source that yields fewer bytes than it has, or more, is an error and leaves nothing.", try: func(t *trial) {
		for _, off := range []int64{1, -1} {
			name := key(fmt.Sprintf("off-by-%d", off))
			src := storage.Once(bytes.NewReader(pattern(1000, 1)), 1000+off)
			if err := t.Put(t.ctx, name, src); err == nil {
				t.errorf("a source of 1000 bytes that says %d is stored", 1000+off)
			}
			t.wantNone(name)
		}
	}},
	{ID: "ST-PUT-007", Sentence: "Until Put has returned, the old object is what is seen; after that, the new one.", try: func(t *trial) {
		old, fresh := pattern(10_000, 1), pattern(600_000, 2)
		t.put(key("a"), old)
		ctx, cancel := withCancel(t.ctx)
		defer cancel()
		reached := make(chan struct{})
		ended := make(chan error, 1)
		go func() {
			ended <- t.Put(ctx, key("a"), &broken{content: fresh, size: -1, ctx: ctx, reached: reached})
		}()
		select {
		case <-reached:
		case err := <-ended:
			t.fatalf("Put ended before its source did: %v", err)
		}
		t.want(key("a"), old)
		cancel()
		if err := <-ended; err == nil {
			t.errorf("an upload that was cancelled is stored")
		}
		t.want(key("a"), old)
	}},
	{ID: "ST-PUT-008", Sentence: "Of several uploads at once for one key, one wins as a whole.", try: func(t *trial) {
		const racers = 8
		versions := make([][]byte, racers)
		errs := make([]error, racers)
		var racing sync.WaitGroup
		for i := range racers {
			versions[i] = pattern(200_000+i, byte(i))
			racing.Go(func() { errs[i] = t.Put(t.ctx, key("a"), storage.Bytes(versions[i])) })
		}
		racing.Wait()
		won := false
		for _, err := range errs {
			won = won || err == nil
			if k := fault.KindOf(err); err != nil && k != fault.Conflict && k != fault.Unavailable && k != fault.RateLimited {
				t.errorf("a racer: %v", err)
			}
		}
		got := t.read(key("a"), storage.Range{})
		if !won || !slices.ContainsFunc(versions, func(v []byte) bool { return bytes.Equal(v, got) }) {
			t.errorf("what is there, %s, is nobody's", brief(got))
		}
	}},
	{ID: "ST-PUT-009", Sentence: "A key may be the beginning of another, up to a slash.", try: func(t *trial) {
		t.put(key("a"), []byte("short"))
		err := t.Put(t.ctx, key("a/b"), storage.Bytes([]byte("long")))
		if fault.KindOf(err) == fault.Conflict { // a file system can't, and says so
			t.wantNone(key("a/b"))
			t.want(key("a"), []byte("short"))
			return
		}
		if err != nil {
			t.fatalf("Put: %v", err)
		}
		t.want(key("a/b"), []byte("long"))
		t.want(key("a"), []byte("short"))
	}},
	{ID: "ST-PUT-010", Sentence: "A source that can be read only once is read once, or its fault.Conflict is returned.", try: func(t *trial) {
		if err := t.Put(t.ctx, key("a"), storage.Once(strings.NewReader("once"), 4)); err != nil {
			t.fatalf("Put: %v", err)
		}
		t.want(key("a"), []byte("once"))
	}},
}

var deleteChecks = []Check{
	{ID: "ST-DELETE-001", Sentence: "Delete removes an object.", try: func(t *trial) {
		t.put(key("a"), []byte("x"))
		t.put(key("ab"), []byte("y"))
		if err := t.Delete(t.ctx, key("a")); err != nil {
			t.fatalf("Delete: %v", err)
		}
		t.wantNone(key("a"))
		t.want(key("ab"), []byte("y"))
	}},
	{ID: "ST-DELETE-002", Sentence: "That there is none is no error.", try: func(t *trial) {
		for range 2 {
			if err := t.Delete(t.ctx, key("absent")); err != nil {
				t.errorf("Delete: %v", err)
			}
		}
	}},
	{ID: "ST-DELETE-003", Sentence: "The beginning of keys is not an object that Delete removes.", try: func(t *trial) {
		t.put(key("folder/a"), []byte("x"))
		for _, name := range []string{"folder", "fold"} {
			if err := t.Delete(t.ctx, key(name)); err != nil {
				t.errorf("Delete %q: %v", key(name), err)
			}
		}
		t.want(key("folder/a"), []byte("x"))
	}},
	{ID: "ST-DELETE-004", Sentence: "An object can be put again where one was deleted.", try: func(t *trial) {
		t.put(key("deep/er/a"), []byte("x"))
		if err := t.Delete(t.ctx, key("deep/er/a")); err != nil {
			t.fatalf("Delete: %v", err)
		}
		t.put(key("deep"), []byte("y"))
		t.want(key("deep"), []byte("y"))
	}},
}

var listChecks = []Check{
	{ID: "ST-LIST-001", Sentence: "List yields each object whose key begins with the prefix, once.", try: func(t *trial) {
		all := []string{"a", "ab", "b/c", "b/d/e", "bc"}
		for _, name := range all {
			t.put(key(name), []byte(name))
		}
		for prefix, want := range map[string][]string{
			"": all, "a": {"a", "ab"}, "b/": {"b/c", "b/d/e"}, "b": {"b/c", "b/d/e", "bc"}, "b/d": {"b/d/e"}, "z": nil, "b/d/e": {"b/d/e"}, "b/d/e/": nil,
		} {
			var keys []string
			for _, name := range want {
				keys = append(keys, key(name))
			}
			if got := t.list(key(prefix)); !slices.Equal(got, keys) {
				t.errorf("List %q: %q, want %q", key(prefix), got, keys)
			}
		}
	}},
	{ID: "ST-LIST-002", Sentence: "List tells sizes.", try: func(t *trial) {
		t.put(key("a"), pattern(4321, 1))
		for info, err := range t.List(t.ctx, key("a")) {
			if err != nil || info.SizeBytes != 4321 {
				t.errorf("%+v, %v", info, err)
			}
		}
	}},
	{ID: "ST-LIST-003", Sentence: "The empty prefix is all objects.", try: func(t *trial) {
		t.put(key("a"), nil)
		if !slices.Contains(t.list(""), key("a")) {
			t.errorf("it is not among them")
		}
	}},
	{ID: "ST-LIST-004", Sentence: "A listing that nobody wants any more ends.", try: func(t *trial) {
		for i := range 20 {
			t.put(key(fmt.Sprint(i)), nil)
		}
		n := 0
		for _, err := range t.List(t.ctx, key("")) {
			if err != nil {
				t.fatalf("List: %v", err)
			}
			if n++; n == 3 {
				break
			}
		}
		if n != 3 {
			t.errorf("%d came", n)
		}
	}},
	{ID: "ST-LIST-005", Sentence: "More objects than fit a page are all listed.", try: func(t *trial) {
		const many = 1100
		var putting sync.WaitGroup
		errs := make([]error, 8)
		for w := range errs {
			putting.Go(func() {
				for i := w; i < many && errs[w] == nil; i += len(errs) {
					errs[w] = t.Put(t.ctx, key(fmt.Sprintf("many/%04d", i)), storage.Bytes(nil))
				}
			})
		}
		putting.Wait()
		if err := errors.Join(errs...); err != nil {
			t.fatalf("Put: %v", err)
		}
		if got := t.list(key("many/")); len(got) != many || len(slices.Compact(got)) != many {
			t.errorf("%d keys, %d of them different, want %d", len(got), len(slices.Compact(got)), many)
		}
	}},
}

// strangeKeys are keys that systems have stumbled over.
var strangeKeys = []string{
	"with space", " leading", "trailing ", "per%cent", "per%2Fcent", "plus+plus", "a=b&c=d", "question?", "hash#", "semi;colon", "colon:colon", "back\\slash",
	"quote\"quote", "apostrophe'", "star*", "<angle>", "pipe|", ".dot", "..dots", "dot.", "...", "ünïcödé", "日本語", "🐎", "e\u0301", "\u00e9", "-", "--", "~",
	"CON", "nul", "Case", "case", "@at", "$dollar", "{brace}", "[bracket]", "^", "`tick`", "very/deep/a/b/c/d/e/f/g/h/i/j/k",
}

var keyChecks = []Check{
	{ID: "ST-KEY-001", Sentence: "Two keys are the same when their bytes are, and any UTF-8 without control characters will do.", try: func(t *trial) {
		var want []string
		for i, name := range strangeKeys {
			t.put(key("k/"+name), pattern(10+i, byte(i)))
			want = append(want, key("k/"+name))
		}
		slices.Sort(want)
		if got := t.list(key("k/")); !slices.Equal(got, want) {
			t.errorf("List: %q\nwant %q", got, want)
		}
		for i, name := range strangeKeys {
			t.want(key("k/"+name), pattern(10+i, byte(i)))
		}
	}},
	{ID: "ST-KEY-002", Sentence: "A key may have 1024 bytes, and a segment of it 255.", try: func(t *trial) {
		for _, segment := range []string{strings.Repeat("x", storage.MaxSegmentBytes) + "/", "s/"} {
			long := key(strings.Repeat(segment, storage.MaxKeyBytes/len(segment)))[:storage.MaxKeyBytes-1] + "y"
			if err := storage.CheckKey(long); err != nil {
				t.fatalf("the check is wrong: %v", err)
			}
			t.put(long, []byte("x"))
			t.want(long, []byte("x"))
		}
	}},
}

var cancelChecks = []Check{
	{ID: "ST-CANCEL-001", Sentence: "Methods return with the context's error once that has ended.", try: func(t *trial) {
		t.put(key("a"), pattern(10, 1))
		ctx, cancel := withCancel(t.ctx)
		cancel()
		_, err := t.Stat(ctx, key("a"))
		t.wantKind(err, fault.Canceled, "Stat")
		if in, err := t.Get(ctx, key("a"), storage.Range{}); err == nil {
			_, err = io.ReadAll(in)
			in.Close()
			t.wantKind(err, fault.Canceled, "Read")
		} else {
			t.wantKind(err, fault.Canceled, "Get")
		}
		t.wantKind(t.Put(ctx, key("b"), storage.Bytes(pattern(10, 1))), fault.Canceled, "Put")
		t.wantNone(key("b"))
		t.wantKind(t.Delete(ctx, key("a")), fault.Canceled, "Delete")
		t.want(key("a"), pattern(10, 1))
		err = nil
		for _, err = range t.List(ctx, key("")) {
			if err != nil {
				break
			}
		}
		t.wantKind(err, fault.Canceled, "List")
	}},
	{ID: "ST-CANCEL-002", within: 30 * time.Second, Sentence: "An upload that is cancelled returns soon, and leaves nothing to see.", try: func(t *trial) {
		ctx, cancel := withCancel(t.ctx)
		defer cancel()
		reached := make(chan struct{})
		ended := make(chan error, 1)
		go func() {
			ended <- t.Put(ctx, key("a"), &broken{content: pattern(700_000, 1), size: 1 << 30, ctx: ctx, reached: reached})
		}()
		select {
		case <-reached:
		case err := <-ended:
			t.fatalf("Put ended before its source did: %v", err)
		}
		cancel()
		began := time.Now()
		err := <-ended
		t.wantKind(err, fault.Canceled, "Put")
		if took := time.Since(began); took > returnSoon {
			t.errorf("it took %v to return", took)
		}
		t.wantNone(key("a"))
	}},
}
