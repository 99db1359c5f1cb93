package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// pages returns all entries of a listing in pages of so many.
func pages(t *testing.T, d *directory, r storage.PageRequest) []string {
	t.Helper()
	var all []string
	for {
		page, err := d.Page(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Objects)+len(page.Folders) > r.Limit {
			t.Fatalf("%d entries in a page of %d", len(page.Objects)+len(page.Folders), r.Limit)
		}
		for _, o := range page.Objects {
			all = append(all, o.Key)
		}
		all = append(all, page.Folders...)
		if page.NextToken == "" {
			slices.Sort(all)
			return all
		}
		r.Token = page.NextToken
	}
}

func TestPagesHaveEachEntryOnce(t *testing.T) {
	d := opened(t)
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same keys each time
	names := []string{"a", "a!", "a-", "a0", "b", "b.c", "ü", "z"}
	objects := map[string]bool{}
	for range 1000 {
		var segments []string
		for range 1 + random.IntN(4) {
			segments = append(segments, names[random.IntN(len(names))])
		}
		key := strings.Join(segments, "/")
		if err := d.Put(t.Context(), key, storage.Bytes(nil)); err == nil {
			objects[key] = true
		} else if fault.KindOf(err) != fault.Conflict {
			t.Fatal(err)
		}
	}
	if len(objects) < 50 {
		t.Fatalf("there are only %d objects", len(objects))
	}
	for _, prefix := range []string{"", "a", "a/", "a/b", "a/b/", "b.", "none/"} {
		for _, folders := range []bool{false, true} {
			want := map[string]bool{}
			for key := range objects {
				rest, ok := strings.CutPrefix(key, prefix)
				if name, _, deep := strings.Cut(rest, "/"); ok && deep && folders {
					key = prefix + name + "/"
				}
				if ok {
					want[key] = true
				}
			}
			var sorted []string
			for name := range want {
				sorted = append(sorted, name)
			}
			slices.Sort(sorted)
			for _, limit := range []int{1, 2, 7, 1000} {
				got := pages(t, d, storage.PageRequest{Prefix: prefix, Folders: folders, Limit: limit})
				if diff := cmp.Diff(sorted, got); diff != "" {
					t.Errorf("%q, folders %v, %d at a time (-want +got):\n%s", prefix, folders, limit, diff)
				}
			}
		}
	}
}

// What is put and deleted while the pages are gone through takes nothing from what stays.
func TestPagesOfADirectoryThatChanges(t *testing.T) {
	d := opened(t)
	var stays []string
	for i := range 50 {
		stays = append(stays, fmt.Sprintf("stays-%02d", i))
		put(t, d, stays[i], "x")
		put(t, d, fmt.Sprintf("goes-%02d", i), "x")
	}
	var got []string
	r := storage.PageRequest{Limit: 7}
	for i := 0; ; i++ {
		page, err := d.Page(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Objects {
			if strings.HasPrefix(o.Key, "stays") {
				got = append(got, o.Key)
			}
		}
		if page.NextToken == "" {
			break
		}
		r.Token = page.NextToken
		put(t, d, fmt.Sprintf("comes-%02d", i), "x")
		if err := d.Delete(t.Context(), fmt.Sprintf("goes-%02d", i)); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(stays, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Not all file systems tell what an entry is.
func TestEntriesOfUnknownKindAreLookedAt(t *testing.T) {
	d := opened(t)
	put(t, d, "file", "x")
	put(t, d, "folder/file", "x")
	if err := os.Symlink("file", filepath.Join(d.path, "link")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(d.path, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, name := range []string{"file", "folder", "link", "pipe", "gone"} {
		err := d.step(t.Context(), "", []byte(name), unknownEntry, listing{func(key string) error {
			got = append(got, key)
			return nil
		}})
		if err != nil {
			t.Error(err)
		}
	}
	if want := []string{"file", "folder/file"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestAListingEndsWithItsContext(t *testing.T) {
	d := opened(t)
	put(t, d, "a", "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Page(ctx, storage.PageRequest{Limit: 10}); fault.KindOf(err) != fault.Canceled {
		t.Errorf("%v", err)
	}
}

func BenchmarkPageOf100000Files(b *testing.B) {
	d := opened(b)
	for i := range 100_000 {
		if err := os.WriteFile(filepath.Join(d.path, fmt.Sprintf("f%06d", i)), nil, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	for _, folders := range []bool{true, false} {
		b.Run(fmt.Sprintf("folders=%v", folders), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				page, err := d.Page(b.Context(), storage.PageRequest{Folders: folders, Limit: 1000})
				if err != nil || len(page.Objects) != 1000 || page.NextToken == "" {
					b.Fatal(len(page.Objects), err)
				}
			}
		})
	}
}

// A folder goes with its last object, also while somebody reads it.
func TestAFolderThatGoesWhileItIsListed(t *testing.T) {
	d := opened(t)
	if err := d.Put(t.Context(), "a/b/gone", storage.Bytes([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	seen := 0
	err := d.walk(t.Context(), "", listing{func(key string) error {
		seen++
		return d.Delete(t.Context(), key)
	}})
	if err != nil || seen != 1 {
		t.Errorf("%d objects, %v", seen, err)
	}
}
