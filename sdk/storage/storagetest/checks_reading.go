package storagetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

var knowingChecks = []Check{
	{ID: "ST-STAT-006", Sentence: "A sha256 that is told is that of the object's bytes.", try: func(t *trial) {
		content := pattern(70_000, 3)
		t.put(key("a"), content)
		info, err := t.Stat(t.ctx, key("a"))
		if err != nil {
			t.fatalf("Stat: %v", err)
		}
		t.wantSum(info, content)
		for info, err := range t.List(t.ctx, key("a")) {
			if err != nil {
				t.fatalf("List: %v", err)
			}
			t.wantSum(info, content)
		}
	}},
	{ID: "ST-STAT-007", Sentence: "The version of an object stays while nobody puts it again.", try: func(t *trial) {
		t.put(key("a"), pattern(10, 1))
		first, err := t.Stat(t.ctx, key("a"))
		if err != nil {
			t.fatalf("Stat: %v", err)
		}
		t.read(key("a"), storage.Range{})
		t.put(key("b"), pattern(10, 2))
		for range 3 {
			if info, err := t.Stat(t.ctx, key("a")); err != nil || info.Version != first.Version {
				t.errorf("it is %q and was %q, %v", info.Version, first.Version, err)
			}
		}
	}},
}

var readingChecks = []Check{
	{ID: "ST-GET-008", Sentence: "What is read is one version of the object, even if it is deleted meanwhile, or the reader fails.", try: func(t *trial) {
		whole := pattern(1<<20, 1)
		t.put(key("a"), whole)
		in, first := t.begin(t.ctx, key("a"))
		defer in.Close()
		if err := t.Delete(t.ctx, key("a")); err != nil {
			t.fatalf("Delete: %v", err)
		}
		rest, err := io.ReadAll(in)
		if err == nil && !bytes.Equal(append(first, rest...), whole) {
			t.errorf("%d bytes of %d were read, and no error says so", len(first)+len(rest), len(whole))
		}
	}},
	{ID: "ST-GET-009", Sentence: "Reads of whatever size return the same bytes.", try: func(t *trial) {
		whole := pattern(40_000, 6)
		t.put(key("a"), whole)
		for _, size := range []int{1, 7, 4096, 65_536} {
			in, err := t.Get(t.ctx, key("a"), storage.Range{})
			if err != nil {
				t.fatalf("Get: %v", err)
			}
			got, err := readBy(in, size)
			if err := errors.Join(err, in.Close()); err != nil || !bytes.Equal(got, whole) {
				t.errorf("by %d bytes: %s, %v", size, brief(got), err)
			}
		}
	}},
	{ID: "ST-GET-010", Sentence: "A reader whose context ends returns soon, and never ends early without an error.", try: func(t *trial) {
		whole := pattern(4<<20, 7)
		t.put(key("a"), whole)
		ctx, cancel := withCancel(t.ctx)
		defer cancel()
		in, first := t.begin(ctx, key("a"))
		defer in.Close()
		cancel()
		began := time.Now()
		rest, err := io.ReadAll(in)
		if took := time.Since(began); took > returnSoon {
			t.errorf("it took %v to return", took)
		}
		if err == nil && !bytes.Equal(append(first, rest...), whole) {
			t.errorf("%d bytes of %d were read, and no error says so", len(first)+len(rest), len(whole))
		}
	}},
	{ID: "ST-GET-011", Sentence: "An empty object has its beginning, of whatever length, and nothing else.", try: func(t *trial) {
		t.put(key("empty"), nil)
		for _, length := range []int64{0, 1, 1 << 40} {
			if got := t.read(key("empty"), storage.Range{LengthBytes: length}); len(got) != 0 {
				t.errorf("%d bytes from the beginning on: %s", length, brief(got))
			}
		}
		_, err := t.tryRead(key("empty"), storage.Range{OffsetBytes: 1})
		t.wantKind(err, fault.Invalid, "from 1 on")
	}},
	{ID: "ST-GET-012", Sentence: "A range that is negative is fault.Invalid.", try: func(t *trial) {
		t.put(key("a"), pattern(10, 1))
		for _, r := range []storage.Range{{OffsetBytes: -1}, {LengthBytes: -1}, {OffsetBytes: -5, LengthBytes: 5}} {
			_, err := t.tryRead(key("a"), r)
			t.wantKind(err, fault.Invalid, "%+v", r)
		}
	}},
}

// readBy reads all that there is, so much at a time.
func readBy(in io.Reader, size int) ([]byte, error) {
	var all []byte
	buffer := make([]byte, size)
	for {
		n, err := in.Read(buffer)
		all = append(all, buffer[:n]...)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

var endingChecks = []Check{
	{ID: "ST-CANCEL-003", Sentence: "A deadline that has passed is fault.Timeout.", try: func(t *trial) {
		t.put(key("a"), pattern(10, 1))
		ctx, cancel := context.WithDeadline(t.ctx, time.Now().Add(-time.Second))
		defer cancel()
		_, err := t.Stat(ctx, key("a"))
		t.wantKind(err, fault.Timeout, "Stat")
		t.wantKind(t.Put(ctx, key("b"), storage.Bytes(nil)), fault.Timeout, "Put")
		t.wantKind(t.Delete(ctx, key("a")), fault.Timeout, "Delete")
		t.want(key("a"), pattern(10, 1))
		t.wantNone(key("b"))
	}},
	{ID: "ST-CANCEL-004", Sentence: "An upload that is cancelled does not harm others.", try: func(t *trial) {
		const uploads = 8
		errs := make([]chan error, uploads)
		cancels := make([]context.CancelFunc, uploads)
		goOn := make(chan struct{})
		for i := range uploads {
			var ctx context.Context
			ctx, cancels[i] = withCancel(t.ctx)
			defer cancels[i]()
			reached := make(chan struct{})
			errs[i] = make(chan error, 1)
			go func() {
				errs[i] <- t.Put(ctx, uploadKey(i), &broken{content: pattern(100_000+i, byte(i)), size: -1, ctx: ctx, reached: reached, goOn: goOn})
			}()
			select {
			case <-reached:
			case err := <-errs[i]:
				t.fatalf("Put ended before its source did: %v", err)
			}
		}
		for i := 0; i < uploads; i += 2 {
			cancels[i]()
			t.wantKind(<-errs[i], fault.Canceled, "Put")
		}
		close(goOn)
		for i := range uploads {
			if i%2 == 0 {
				t.wantNone(uploadKey(i))
				continue
			}
			if err := <-errs[i]; err != nil {
				t.fatalf("one that was not cancelled: %v", err)
			}
			t.want(uploadKey(i), pattern(100_000+i, byte(i)))
		}
	}},
}

func uploadKey(i int) string { return key("upload-" + string(rune('a'+i))) }
