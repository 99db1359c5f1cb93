package storage_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/memory"
)

func Example() {
	ctx := context.Background()
	files := storage.NewFiles(memory.New(1<<20), "storage://models/")
	url, err := files.UploadFile(ctx, "notes/readme.txt", []byte("hello"))
	if err != nil {
		panic(err)
	}
	data, err := files.DownloadFile(ctx, "notes/readme.txt")
	if err != nil {
		panic(err)
	}
	list, err := files.ListFiles(ctx, "notes/")
	if err != nil {
		panic(err)
	}
	fmt.Println(url, string(data), len(list), files.DeleteFile(ctx, "notes/readme.txt"))
	// Output: storage://models/notes/readme.txt hello 1 <nil>
}

// addressed is a backend that knows how the world calls its objects.
type addressed struct {
	*memory.Backend

	address string
}

func (a addressed) Address() string { return a.address }

func TestAURLIsOfTheStoreWithTheLongestAddress(t *testing.T) {
	at := func(address string) *storage.Files {
		return storage.NewFiles(addressed{memory.New(1 << 20), address}, "storage://other/")
	}
	bucket, folder := at("s3://bucket/"), at("s3://bucket/models/")
	for url, want := range map[string]struct {
		in   *storage.Files
		path string
		kind fault.Kind
	}{
		"s3://bucket/a":              {bucket, "a", fault.None},
		"s3://bucket/models/a/b":     {folder, "a/b", fault.None},
		"s3://bucket2/a":             {nil, "", fault.NotFound},
		"s3://bucket/models/../../x": {folder, "../../x", fault.Invalid},
		"s3://bucket/":               {bucket, "", fault.Invalid},
	} {
		in, path, err := storage.Find(url, bucket, folder)
		if in != want.in || path != want.path || fault.KindOf(err) != want.kind {
			t.Errorf("%s: %q, %v", url, path, err)
		}
	}
}

// endless lists objects without an end.
type endless struct{ *memory.Backend }

func (endless) List(context.Context, string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		for i := 0; yield(storage.Info{Key: fmt.Sprint(i)}, nil); i++ {
			continue
		}
	}
}

func TestFilesKeepToTheirBounds(t *testing.T) {
	files := storage.NewFiles(endless{memory.New(1 << 20)}, "x:/")
	if _, err := files.ListFiles(t.Context(), ""); fault.KindOf(err) != fault.TooLarge {
		t.Errorf("a list without an end: %v", err)
	}
	_, list := files.ListFiles(t.Context(), "../")
	_, upload := files.UploadFile(t.Context(), "../x", nil)
	_, download := files.DownloadFile(t.Context(), "../x")
	for _, err := range []error{list, upload, download, files.DeleteFile(t.Context(), "../x")} {
		if fault.KindOf(err) != fault.Invalid || fault.SideOf(err) != fault.Caller {
			t.Errorf("what is no path: %v", err)
		}
	}
	if _, err := files.DownloadFile(t.Context(), "none"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("what is not there: %v", err)
	}
	if _, err := files.UploadStream(t.Context(), "s", storage.Once(strings.NewReader("stream"), -1)); err != nil {
		t.Fatal(err)
	}
	in, err := files.DownloadStream(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if text, err := io.ReadAll(in); err != nil || string(text) != "stream" {
		t.Errorf("%q, %v", text, err)
	}
}
