package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/storagetest"
)

func opened(t testing.TB) *directory {
	t.Helper()
	d, err := newDirectory(t.TempDir(), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestContract(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Backend { return opened(t) })
}

func put(t testing.TB, d *directory, key, content string) {
	t.Helper()
	if err := d.Put(t.Context(), key, storage.Bytes([]byte(content))); err != nil {
		t.Fatal(err)
	}
}

func keys(t testing.TB, d *directory, prefix string) []string {
	t.Helper()
	var all []string
	for info, err := range d.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, info.Key)
	}
	slices.Sort(all)
	return all
}

func TestAnObjectIsAFileWithItsBytes(t *testing.T) {
	d := opened(t)
	put(t, d, "a/b", "content")
	path, err := d.LocalPath(t.Context(), "a/b")
	if err != nil || path != filepath.Join(d.path, "a/b") {
		t.Fatalf("%q, %v", path, err)
	}
	if got, err := os.ReadFile(path); string(got) != "content" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := d.LocalPath(t.Context(), "absent"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("one that is not there: %v", err)
	}
}

// What others put into the directory is no way out of it.
func TestLinksLeadNowhere(t *testing.T) {
	d := opened(t)
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"folder": outside, "file": filepath.Join(outside, "secret"), "dangling": "nowhere", "loop": "loop"} {
		if err := os.Symlink(to, filepath.Join(d.path, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(d.path, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"folder/secret", "file", "dangling", "loop", "pipe"} {
		if _, err := d.Stat(t.Context(), key); err == nil {
			t.Errorf("Stat %q finds it", key)
		}
		if in, err := d.Get(t.Context(), key, storage.Range{}); err == nil {
			in.Close()
			t.Errorf("Get %q reads it", key)
		}
	}
	if err := d.Put(t.Context(), "folder/new", storage.Bytes(nil)); err == nil {
		t.Error("Put writes through a link")
	}
	if _, err := os.Stat(filepath.Join(outside, "new")); err == nil {
		t.Error("a file was made outside")
	}
	if err := d.Delete(t.Context(), "folder/secret"); err != nil && fault.KindOf(err) == fault.Internal {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(outside, "secret")); err != nil {
		t.Error("a file was deleted outside")
	}
	put(t, d, "file", "replaced") // the link, not what it leads to
	if got, _ := os.ReadFile(filepath.Join(outside, "secret")); string(got) != "x" {
		t.Error("a file was written outside")
	}
	if got := keys(t, d, ""); !slices.Equal(got, []string{"file"}) {
		t.Errorf("List: %q", got)
	}
}

func TestAFileCannotBeAFolder(t *testing.T) {
	d := opened(t)
	put(t, d, "a", "x")
	if err := d.Put(t.Context(), "a/b", storage.Bytes(nil)); fault.KindOf(err) != fault.Conflict {
		t.Errorf("in a file: %v", err)
	}
	put(t, d, "b/c", "x")
	if err := d.Put(t.Context(), "b", storage.Bytes(nil)); fault.KindOf(err) != fault.Conflict {
		t.Errorf("where a folder is: %v", err)
	}
	if err := d.Create(t.Context(), "b", storage.Bytes(nil)); fault.KindOf(err) != fault.Conflict {
		t.Errorf("created where a folder is: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Join(d.path, unfinished)); len(left) != 0 {
		t.Errorf("%d files are left", len(left))
	}
}

func TestEmptyFoldersGoWithTheirLastObject(t *testing.T) {
	d := opened(t)
	put(t, d, "a/b/c/d", "x")
	put(t, d, "a/e", "x")
	if err := d.Delete(t.Context(), "a/b/c/d"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(d.path, "a/b")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a/b: %v", err)
	}
	if got := keys(t, d, ""); !slices.Equal(got, []string{"a/e"}) {
		t.Errorf("%q", got)
	}
}

func TestWhatAKilledUploadLeftIsSwept(t *testing.T) {
	d := opened(t)
	put(t, d, "whole", "x")
	for _, name := range []string{"old", "fresh"} {
		if err := os.WriteFile(filepath.Join(d.path, unfinished, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	long := time.Now().Add(-48 * time.Hour)
	if err := os.Chtimes(filepath.Join(d.path, unfinished, "old"), long, long); err != nil {
		t.Fatal(err)
	}
	if got := keys(t, d, ""); !slices.Equal(got, []string{"whole"}) {
		t.Errorf("before: %q", got)
	}
	if n, err := d.Sweep(t.Context(), 24*time.Hour); n != 1 || err != nil {
		t.Errorf("%d were swept, %v", n, err)
	}
	if left, _ := os.ReadDir(filepath.Join(d.path, unfinished)); len(left) != 1 || left[0].Name() != "fresh" {
		t.Errorf("left: %v", left)
	}
}

// A directory that somebody tidies up while it is in use works on.
func TestTheReservedFolderMayGo(t *testing.T) {
	d := opened(t)
	if err := os.RemoveAll(filepath.Join(d.path, storage.Reserved)); err != nil {
		t.Fatal(err)
	}
	put(t, d, "a", "x")
	if err := d.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestADirectoryThatIsGoneIsNotWell(t *testing.T) {
	d := opened(t)
	if err := os.Rename(d.path, d.path+"-gone"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(d.path + "-gone") })
	if err := d.Check(t.Context()); fault.KindOf(err) != fault.Unavailable || fault.SideOf(err) != fault.Service {
		t.Errorf("%v", err)
	}
}

func TestErrorsOfTheSystemHaveTheirKinds(t *testing.T) {
	for errno, want := range map[syscall.Errno]fault.Kind{
		syscall.ENOSPC: fault.NoSpace, syscall.EDQUOT: fault.NoSpace, syscall.EROFS: fault.Forbidden, syscall.EACCES: fault.Forbidden,
		syscall.EIO: fault.Unavailable, syscall.ESTALE: fault.Unavailable, syscall.ENAMETOOLONG: fault.Invalid, syscall.EBADF: fault.Internal,
	} {
		if err := explained(&os.PathError{Op: "write", Path: "p", Err: errno}, "write"); fault.KindOf(err) != want {
			t.Errorf("%v: %v, want %v", errno, fault.KindOf(err), want)
		}
	}
}

// An object that has no room is refused before its bytes have come, and nothing is left.
func TestAnObjectThatIsLargerThanTheDisk(t *testing.T) {
	d := opened(t)
	none := storage.Once(iotest.ErrReader(errors.New("a byte of it was read")), 1<<60)
	if err := d.Put(t.Context(), "large", none); fault.KindOf(err) != fault.NoSpace || fault.SideOf(err) != fault.Service || !strings.Contains(err.Error(), " more") {
		t.Errorf("%v", err)
	}
	if left, err := os.ReadDir(filepath.Join(d.path, unfinished)); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

// A full disk is tried with the one device that always is.
func TestAFullDiskIsToldAsSuch(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	if _, err := copyAll(t.Context(), full, strings.NewReader("x")); fault.KindOf(err) != fault.NoSpace {
		t.Errorf("%v", err)
	}
}

func TestDeletesAndPutsInOneFolderDoNotMeet(t *testing.T) {
	d := opened(t)
	ctx, cancel := context.WithCancel(t.Context())
	deleting := make(chan error, 1)
	go func() {
		for ctx.Err() == nil {
			if err := d.Delete(context.Background(), "folder/deep/other"); err != nil {
				deleting <- err
				return
			}
		}
		deleting <- nil
	}()
	for i := range 300 {
		put(t, d, "folder/deep/other", "x")
		key := fmt.Sprintf("folder/deep/%d", i%3)
		put(t, d, key, "x")
		if err := d.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-deleting; err != nil {
		t.Error(err)
	}
}

var _ io.Closer = (*directory)(nil)
