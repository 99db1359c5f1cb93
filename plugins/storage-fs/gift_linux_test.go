package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// written is a file on the file system of the directories, which can be given to them.
func written(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func given(t testing.TB, path string, content []byte) storage.Source {
	t.Helper()
	sum := sha256.Sum256(content)
	src, err := storage.Given(path, hex.EncodeToString(sum[:]))
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// wantObject checks what an object is: its bytes, whether it is the file that was given,
// and that nothing else is left.
func wantObject(t *testing.T, d *directory, key, path string, content []byte, same bool) {
	t.Helper()
	object := filepath.Join(d.path, key)
	if got, err := os.ReadFile(object); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%q has %d bytes, %v", key, len(got), err)
	}
	is, err := os.Stat(object)
	if err != nil {
		t.Fatal(err)
	}
	if was, err := os.Stat(path); err != nil || os.SameFile(is, was) != same && !sharesBlocks(t, d) {
		t.Errorf("that %q is the file that was given: %v, %v", key, !same, err)
	}
	if mode := is.Mode().Perm(); mode != modeOfNew(t, d) {
		t.Errorf("its mode is %v", mode)
	}
	if left, err := os.ReadDir(filepath.Join(d.path, unfinished)); err != nil || len(left) != 0 {
		t.Errorf("%d files are left, %v", len(left), err)
	}
}

// sharesBlocks reports whether files can share blocks here, which is done before all else.
func sharesBlocks(t *testing.T, d *directory) bool {
	t.Helper()
	a, err := os.Create(filepath.Join(t.TempDir(), "a"))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, name, err := d.newUnfinished()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { b.Close(); _ = d.discard(name) }()
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, b.Fd(), 0x40049409, a.Fd()) // FICLONE
	return errno == 0
}

// modeOfNew returns the mode that an object has that was copied.
func modeOfNew(t *testing.T, d *directory) os.FileMode {
	t.Helper()
	put(t, d, "mode", "x")
	info, err := os.Stat(filepath.Join(d.path, "mode"))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Delete(t.Context(), "mode"); err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func TestWhatIsGivenIsNotWrittenAgain(t *testing.T) {
	d := opened(t)
	content := []byte("a file that came in whole")
	path := written(t, content)
	put(t, d, "a/old", "x")
	for _, key := range []string{"a/new", "a/old"} {
		path := written(t, content)
		for range 2 { // the second time it is there already
			if err := d.Put(t.Context(), key, given(t, path, content)); err != nil {
				t.Fatal(err)
			}
			wantObject(t, d, key, path, content, true)
		}
	}
	if err := d.Create(t.Context(), "a/new", given(t, path, content)); fault.KindOf(err) != fault.Conflict {
		t.Errorf("created where one is: %v", err)
	}
	if err := d.Create(t.Context(), "created", given(t, path, content)); err != nil {
		t.Fatal(err)
	}
	wantObject(t, d, "created", path, content, true)
}

// What somebody else may still write to is copied, and so is what has another name.
func TestWhatIsGivenAndNotOursIsCopied(t *testing.T) {
	content := []byte("a file that somebody has")
	for name, spoil := range map[string]func(t *testing.T, path string){
		"open for writing": func(t *testing.T, path string) {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
		},
		"with another name": func(t *testing.T, path string) {
			if err := os.Link(path, path+"-too"); err != nil {
				t.Fatal(err)
			}
		},
		"written to by others": func(t *testing.T, path string) {
			if err := os.Chmod(path, 0o622); err != nil { //nolint:gosec // that is what is tried
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := opened(t)
			path := written(t, content)
			spoil(t, path)
			if err := d.Put(t.Context(), "k", given(t, path, content)); err != nil {
				t.Fatal(err)
			}
			wantObject(t, d, "k", path, content, false)
		})
	}
}

// On another file system there is nothing to link to.
func TestWhatIsGivenFromElsewhereIsCopied(t *testing.T) {
	d := opened(t)
	content := []byte("a file on another file system")
	elsewhere, err := os.MkdirTemp("/dev/shm", "staged") //nolint:usetesting // it has to be that one
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(elsewhere) })
	path := filepath.Join(elsewhere, "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Put(t.Context(), "k", given(t, path, content)); err != nil {
		t.Fatal(err)
	}
	wantObject(t, d, "k", path, content, false)
}

// The test binary is its own plugin: with this set it is given a file again and again.
const childDirectory = "CORRAL_STORAGE_FS_TEST_DIRECTORY"

func TestMain(m *testing.M) {
	dir, isChild := os.LookupEnv(childDirectory)
	if !isChild {
		os.Exit(m.Run())
	}
	if err := putForEver(context.Background(), dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// stagedContent is what the child is given for a key.
func stagedContent(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 100_000) }

func putForEver(ctx context.Context, dir string) error {
	d, err := newDirectory(dir, false)
	if err != nil {
		return err
	}
	for i := 0; ; i = (i + 1) % 16 {
		sum := sha256.Sum256(stagedContent(i))
		src, err := storage.Given(filepath.Join(filepath.Dir(dir), fmt.Sprintf("staged-%d", i)), hex.EncodeToString(sum[:]))
		if err != nil {
			return err
		}
		if err := d.Put(ctx, fmt.Sprintf("folder/%d", i), src); err != nil {
			return err
		}
		if err := d.Delete(ctx, fmt.Sprintf("folder/%d", (i+5)%16)); err != nil {
			return err
		}
		fmt.Println(i)
	}
}

// A plugin that is killed while it is given files leaves whole objects or none, and the
// files as they were: they can be given again. What else is left is swept up.
func TestAPluginIsKilledWhileItIsGivenFiles(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	dir := filepath.Join(folder, "objects")
	for i := range 16 {
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("staged-%d", i)), stagedContent(i), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test's
	for range 40 {
		cmd := exec.CommandContext(t.Context(), self)
		cmd.Env = append(os.Environ(), childDirectory+"="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_, came := out.Read(make([]byte, 1)) // it is at work
		time.Sleep(time.Duration(random.IntN(2000)) * time.Microsecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // tells of the kill
		if came != nil {
			t.Fatal("the child has ended by itself")
		}
		for i := range 16 {
			object, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("folder/%d", i)))
			if err == nil && !bytes.Equal(object, stagedContent(i)) {
				t.Errorf("object %d has %d bytes", i, len(object))
			}
			if staged, err := os.ReadFile(filepath.Join(folder, fmt.Sprintf("staged-%d", i))); err != nil || !bytes.Equal(staged, stagedContent(i)) {
				t.Errorf("file %d has %d bytes, %v", i, len(staged), err)
			}
		}
	}
	d, err := newDirectory(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := d.Sweep(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	for i := range 16 {
		key, path := fmt.Sprintf("folder/%d", i), filepath.Join(folder, fmt.Sprintf("staged-%d", i))
		if err := d.Put(t.Context(), key, given(t, path, stagedContent(i))); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(dir, key))
		if err != nil {
			t.Fatal(err)
		}
		if names := info.Sys().(*syscall.Stat_t).Nlink; names != 1 {
			t.Errorf("object %d has %d names", i, names)
		}
	}
	if left, err := os.ReadDir(filepath.Join(dir, unfinished)); err != nil || len(left) != 0 {
		t.Errorf("%d files are left, %v", len(left), err)
	}
}
