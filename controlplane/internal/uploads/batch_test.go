package uploads_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/uploads"
	"github.com/corral-fleet/corral/sdk/fault"
)

func TestABatchIsOneModel(t *testing.T) {
	f := start(t, nil)
	ctx, b, err := f.Begin(t.Context(), "k1", -1)
	if err != nil {
		t.Fatal(err)
	}
	parts := [][]byte{random(600_001), random(3)}
	for i, name := range []string{"x/model-00001-of-00002.gguf", "model-00002-of-00002.gguf"} {
		if err := b.Add(ctx, name, bytes.NewReader(parts[i])); err != nil {
			t.Fatal(err)
		}
	}
	model, err := b.Finish(ctx, fleet.Import{Name: "both", Description: "d"}, []string{digest(parts[0]), ""})
	if err != nil || model.ID != fleet.ModelID("both") || model.SizeBytes != 600_004 {
		t.Errorf("%+v, %v", model, err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	f.wantLeft()
	took := f.sink.Took()[0]
	for i := range took.Files {
		f.wantTaken(parts[i])
		took.Files[i].Path = ""
	}
	want := []uploads.File{
		{Name: "model-00001-of-00002.gguf", SizeBytes: 600_001, SHA256: digest(parts[0])},
		{Name: "model-00002-of-00002.gguf", SizeBytes: 3, SHA256: digest(parts[1])},
	}
	if diff := cmp.Diff(want, took.Files); diff != "" || took.OwnerID != "k1" || took.Name != "both:latest" {
		t.Errorf("%+v %s", took, diff)
	}
	if last := f.sink.Changes()[len(f.sink.Changes())-1]; last.Upload.State != fleet.UploadDone || last.ReceivedBytes != 600_004 {
		t.Errorf("heard at last: %+v", last)
	}
}

func TestABatchThatBecomesNoModelLeavesNothing(t *testing.T) {
	f := start(t, func(o *uploads.Options) { o.MaxBytes = func() int64 { return 10 } })
	add := func(name, text string) func(*uploads.Batch) error {
		return func(b *uploads.Batch) error { return b.Add(t.Context(), name, strings.NewReader(text)) }
	}
	finish := func(want fleet.Import, digests ...string) func(*uploads.Batch) error {
		return func(b *uploads.Batch) error {
			_, err := b.Finish(t.Context(), want, digests)
			return err
		}
	}
	for name, c := range map[string]struct {
		want  fault.Kind
		steps []func(*uploads.Batch) error
	}{
		"too large":             {fault.TooLarge, []func(*uploads.Batch) error{add("a", "12345678901")}},
		"too large together":    {fault.TooLarge, []func(*uploads.Batch) error{add("a", "1234567890"), add("b", "1")}},
		"one name twice":        {fault.Invalid, []func(*uploads.Batch) error{add("a", "1"), add("x/a", "1")}},
		"no file":               {fault.Invalid, []func(*uploads.Batch) error{finish(fleet.Import{Name: "a"})}},
		"a wrong digest":        {fault.Invalid, []func(*uploads.Batch) error{add("a", "1"), finish(fleet.Import{Name: "a"}, digest([]byte("2")))}},
		"too few digests":       {fault.Invalid, []func(*uploads.Batch) error{add("a", "1"), add("b", "1"), finish(fleet.Import{Name: "a"}, digest([]byte("1")))}},
		"a storage that is not": {fault.NotFound, []func(*uploads.Batch) error{add("a", "1"), finish(fleet.Import{Storage: "s3"})}},
		"a name that can't be": {fault.Invalid, []func(*uploads.Batch) error{func(b *uploads.Batch) error {
			return b.Want(t.Context(), fleet.Import{Name: "a b"})
		}}},
		"nothing more": {fault.None, []func(*uploads.Batch) error{add("a", "1")}},
	} {
		_, b, err := f.Begin(t.Context(), "", 5)
		if err != nil {
			t.Fatal(err)
		}
		for i, step := range c.steps {
			err := step(b)
			if last := i == len(c.steps)-1; last && fault.KindOf(err) != c.want || !last && err != nil {
				t.Errorf("%s, step %d: %v", name, i, err)
			}
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if last := f.sink.Changes()[len(f.sink.Changes())-1]; last.Upload.State != fleet.UploadRemoved {
			t.Errorf("%s: heard at last: %+v", name, last)
		}
	}
	f.wantLeft()
	if len(f.sink.Took()) != 0 {
		t.Error("the sink has got something")
	}
}

// A batch can be ended by its id, as any upload.
func TestABatchThatLacksAFile(t *testing.T) {
	f := start(t, nil)
	ctx, b, err := f.Begin(t.Context(), "k1", -1)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Add(ctx, "half.gguf", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	_, err = b.Finish(ctx, fleet.Import{Name: "half"}, nil)
	wantKind(t, err, fault.Invalid)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	f.wantLeft()
}

func TestABatchIsEnded(t *testing.T) {
	f := start(t, nil)
	ctx, b, err := f.Begin(t.Context(), "", -1)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Want(ctx, fleet.Import{Name: "a"}); err != nil {
		t.Fatal(err)
	}
	in := newLine()
	stop := context.AfterFunc(ctx, func() { in.cut(context.Cause(ctx)) })
	defer stop()
	added := make(chan error, 1)
	go func() { added <- b.Add(ctx, "f", in) }()
	if _, err := in.send.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	for len(f.sink.Changes()) == 0 { // until the read has been noted
		time.Sleep(time.Millisecond)
	}
	if err := f.Remove(t.Context(), f.sink.Changes()[0].Upload.ID); err != nil {
		t.Fatal(err)
	}
	wantKind(t, <-added, fault.Conflict)
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	f.wantLeft()
	wantKind(t, f.Remove(t.Context(), f.sink.Changes()[0].Upload.ID), fault.NotFound)
}
