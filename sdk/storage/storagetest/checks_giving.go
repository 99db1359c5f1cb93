package storagetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/corral-fleet/corral/sdk/storage"
)

// givenBytes is how large the files are that are given away: larger than what is sent in a
// message, so that a plugin gets the file.
const givenBytes = 3<<20 + 1

var givingChecks = []Check{
	{ID: "ST-GIVE-001", Sentence: "A file that is given away is stored whole, in place of an object that may be there, and stays when its other name goes.", try: func(t *trial) {
		t.put(key("old"), pattern(1000, 1))
		for i, name := range []string{"new", "old"} {
			content := pattern(givenBytes, byte(i))
			path := t.file(content)
			t.give(key(name), path, content)
			t.want(key(name), content)
			if err := os.Remove(path); err != nil {
				t.fatalf("a file that was given away can't be removed: %v", err)
			}
			t.want(key(name), content)
		}
	}},
	{ID: "ST-GIVE-002", Sentence: "What is not to be given after all is not stored, and does not harm what was there.", try: func(t *trial) {
		t.put(key("old"), pattern(1000, 1))
		path := t.file(pattern(givenBytes, 2))
		for _, name := range []string{"old", "new"} {
			if err := t.Put(t.ctx, key(name), withheld{path}); !errors.Is(err, errSource) {
				t.errorf("Put %q: %v", key(name), err)
			}
		}
		t.want(key("old"), pattern(1000, 1))
		t.wantNone(key("new"))
	}},
	{ID: "ST-GIVE-003", Sentence: "A file that was given away is never written to: it has its bytes when the object is replaced, and when that is deleted.", try: func(t *trial) {
		content := pattern(givenBytes, 3)
		path := t.file(content)
		for what, change := range map[string]func(){
			"replaced": func() { t.put(key("a"), pattern(1000, 1)) },
			"deleted": func() {
				if err := t.Delete(t.ctx, key("a")); err != nil {
					t.fatalf("Delete: %v", err)
				}
			},
		} {
			t.give(key("a"), path, content)
			change()
			if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
				t.errorf("when the object was %s, the file has %s, %v", what, brief(got), err)
			}
		}
	}},
	{ID: "ST-GIVE-004", Sentence: "A file that is given twice is two objects, or the same one again.", try: func(t *trial) {
		content := pattern(givenBytes, 4)
		path := t.file(content)
		for _, name := range []string{"a", "b", "b"} {
			t.give(key(name), path, content)
			t.want(key(name), content)
		}
		if err := t.Delete(t.ctx, key("b")); err != nil {
			t.fatalf("Delete: %v", err)
		}
		t.want(key("a"), content)
		t.wantNone(key("b"))
	}},
	{ID: "ST-GIVE-005", Sentence: "The time of an object that was given is when it was put, and not when the file was written.", try: func(t *trial) {
		content := pattern(givenBytes, 5)
		path := t.file(content)
		long := time.Now().Add(-48 * time.Hour)
		if err := os.Chtimes(path, long, long); err != nil {
			t.fatalf("a check's own file: %v", err)
		}
		t.give(key("a"), path, content)
		info, err := t.Stat(t.ctx, key("a"))
		if err != nil {
			t.fatalf("Stat: %v", err)
		}
		if off := time.Since(info.ModifiedAt).Abs(); !info.ModifiedAt.IsZero() && off > time.Hour {
			t.errorf("it was put at %v, which is %v off", info.ModifiedAt, off)
		}
	}},
}

// file returns a file with these bytes, which is gone when the check has ended.
func (t *trial) file(content []byte) string {
	dir, err := os.MkdirTemp("", "storagetest")
	if err != nil {
		t.fatalf("a check's own folder: %v", err)
	}
	t.after = append(t.after, func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.fatalf("a check's own file: %v", err)
	}
	return path
}

// give gives a file away, which has to work.
func (t *trial) give(key, path string, content []byte) {
	sum := sha256.Sum256(content)
	src, err := storage.Given(path, hex.EncodeToString(sum[:]))
	if err != nil {
		t.fatalf("a check's own file: %v", err)
	}
	if err := t.Put(t.ctx, key, src); err != nil {
		t.fatalf("Put %q, a file of %d bytes that is given away: %v", key, len(content), err)
	}
}

// withheld is a source of a file that is not given after all.
type withheld struct{ path string }

func (withheld) SizeBytes() int64 { return givenBytes }

func (w withheld) Open() (io.ReadCloser, error) {
	f, err := os.Open(w.path)
	return withheldFile{f}, err
}

type withheldFile struct{ *os.File }

// Read implements io.Reader: it fails where the file ends.
func (f withheldFile) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	if err == io.EOF {
		err = errSource
	}
	return n, err
}

// ReadAt implements io.ReaderAt, in the same way.
func (f withheldFile) ReadAt(p []byte, offset int64) (int, error) {
	n, err := f.File.ReadAt(p, offset)
	if err == io.EOF || offset+int64(n) == givenBytes {
		err = errSource
	}
	return n, err
}

// WriteTo implements io.WriterTo, which the file would have as well.
func (f withheldFile) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{f})
}

// Accept implements [storage.Gift].
func (withheldFile) Accept() (*os.File, string, error) { return nil, "", errSource }
