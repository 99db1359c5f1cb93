package storage_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

func readAll(src storage.Source) (string, error) {
	in, err := src.Open()
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(in)
	return string(b), errors.Join(err, in.Close())
}

func TestSourcesCanBeOpenedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := storage.File(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, src := range map[string]storage.Source{"bytes": storage.Bytes([]byte("content")), "file": file} {
		for range 2 {
			if got, err := readAll(src); err != nil || got != "content" || src.SizeBytes() != 7 {
				t.Errorf("%s: %q of %d, %v", name, got, src.SizeBytes(), err)
			}
		}
		in, err := src.Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := in.(io.ReaderAt); !ok {
			t.Errorf("%s can't be read at any place", name)
		}
		in.Close()
	}
	if err := os.WriteFile(path, []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readAll(file); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a file that has changed: %v", err)
	}
	if _, err := storage.File(t.TempDir()); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a folder: %v", err)
	}
}

func TestAFileThatIsGivenAwayIsOneToWhoeverAsks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	const sum = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"
	src, err := storage.Given(path, sum)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(src); err != nil || got != "content" || src.SizeBytes() != 7 {
		t.Errorf("%q of %d, %v", got, src.SizeBytes(), err)
	}
	in, err := src.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	f, told, err := in.(storage.Gift).Accept()
	if err != nil || f.Name() != path || told != sum {
		t.Errorf("%v, %q, %v", f, told, err)
	}
	for _, sum := range []string{"", "ed70", sum[2:] + "no"} {
		if _, err := storage.Given(path, sum); fault.KindOf(err) != fault.Invalid {
			t.Errorf("the sha256 %q: %v", sum, err)
		}
	}
	if _, err := storage.Given(path+"-absent", sum); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestWhatCanBeReadOnceIsReadOnceAndWhole(t *testing.T) {
	src := storage.Once(strings.NewReader("content"), 7)
	if got, err := readAll(src); got != "content" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := src.Open(); fault.KindOf(err) != fault.Conflict {
		t.Errorf("again: %v", err)
	}
	for name, r := range map[string]func(io.Reader) io.Reader{
		"plain": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "with its end": iotest.DataErrReader,
	} {
		for size, want := range map[int64]fault.Kind{-1: fault.None, 7: fault.None, 6: fault.Invalid, 8: fault.Invalid, 0: fault.Invalid} {
			got, err := readAll(storage.Once(r(strings.NewReader("content")), size))
			if fault.KindOf(err) != want || want == fault.None && got != "content" {
				t.Errorf("%s, 7 bytes that are said to be %d: %q, %v", name, size, got, err)
			}
		}
	}
	if _, err := readAll(storage.Once(strings.NewReader(""), 1)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("nothing where a byte was announced: %v", err)
	}
}
