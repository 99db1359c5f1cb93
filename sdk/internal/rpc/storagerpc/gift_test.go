package storagerpc

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/internal/pb/storagev1"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/memory"
)

func sumOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// given is a source of a file with what pattern returns, which is given away.
func given(t *testing.T, path, sum string) storage.Source {
	t.Helper()
	src, err := storage.Given(path, sum)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// accepts has a backend accept what is given, and then do something with the file.
func accepts(do func(f *os.File, sum string) error) func(context.Context, storage.Source) error {
	return func(_ context.Context, src storage.Source) error {
		in, err := src.Open()
		if err != nil {
			return err
		}
		defer in.Close()
		gift, is := in.(storage.Gift)
		if !is {
			return errors.New("nothing is given away")
		}
		f, sum, err := gift.Accept()
		if err != nil {
			return err
		}
		return do(f, sum)
	}
}

// What is given away is the very file, and the sha256 is told of it that is known: nobody
// reads it, or that it is another one would be noticed.
func TestAGiftIsTheFileItself(t *testing.T) {
	path := written(t, large)
	const known = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	put := accepts(func(f *os.File, sum string) error {
		is, err := f.Stat()
		if err != nil {
			return err
		}
		if was, err := os.Stat(path); err != nil || !os.SameFile(is, was) {
			return errors.New("it is another file")
		}
		if sum != known {
			return errors.New("its sha256 is told as " + sum)
		}
		_, err = f.Write([]byte{1})
		if err == nil {
			return errors.New("it can be written to")
		}
		return nil
	})
	if err := over(t, reads{memory.New(1), put}).Put(t.Context(), "k", given(t, path, known)); err != nil {
		t.Error(err)
	}
}

// A backend that keeps no files, or whose plugin is not told that one is given away, reads
// it; and where the host reads it, it sees whether the file is what was written.
func TestAGiftCanBeReadLikeAnyFile(t *testing.T) {
	for size, passed := range map[int]bool{1000: false, large: true} {
		content := pattern(size)
		path := written(t, size)
		for name, over := range planes {
			kept := memory.New(1 << 30)
			b := over(t, kept)
			if err := b.Put(t.Context(), "k", given(t, path, sumOf(content))); err != nil {
				t.Fatalf("%d bytes, %s: %v", size, name, err)
			}
			in, err := kept.Get(t.Context(), "k", storage.Range{})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(in); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%d bytes are stored of %d, %v", len(got), size, err)
			}
			err = b.Put(t.Context(), "damaged", given(t, path, sumOf([]byte("others"))))
			if read := !passed || name == "messages"; (fault.KindOf(err) == fault.Corrupt) != read {
				t.Errorf("%d bytes of another sha256, %s: %v", size, name, err)
			}
			if _, absent := kept.Stat(t.Context(), "damaged"); (absent == nil) != (err == nil) {
				t.Errorf("%d bytes, %s: Put says %v, and then Stat %v", size, name, err, absent)
			}
		}
	}
}

func TestAGiftIsAcceptedOnlyWhenItIsCommittedTo(t *testing.T) {
	abort := &storagev1.PutRequest{Part: &storagev1.PutRequest_Abort_{}}
	for name, c := range map[string]struct {
		end  *storagev1.PutRequest
		want fault.Kind
	}{
		"no commit":          {nil, fault.Canceled},
		"abort":              {abort, fault.Canceled},
		"committed to fewer": {commit("x"), fault.Invalid},
	} {
		accepted := false
		b := over(t, reads{memory.New(1), accepts(func(*os.File, string) error {
			accepted = true
			return nil
		})})
		out := b.uploadByFile(t, large, written(t, large), true)
		if c.end != nil {
			if err := out.Send(c.end); err != nil {
				t.Fatal(err)
			}
		}
		if err := out.CloseSend(); err != nil {
			t.Fatal(err)
		}
		if err := answer(t.Context(), out, func(int64) {}); fault.KindOf(err) != c.want || accepted {
			t.Errorf("%s: %v, accepted: %v", name, err, accepted)
		}
	}
}

// A host that doesn't give its files away keeps them.
func TestWhatIsPassedIsNotGiven(t *testing.T) {
	b := over(t, reads{memory.New(1), func(ctx context.Context, src storage.Source) error {
		in, err := src.Open()
		if err != nil {
			return err
		}
		if _, is := in.(storage.Gift); is {
			return errors.New("it is given away")
		}
		return readAll(ctx, src)
	}})
	if err := b.Put(t.Context(), "k", source(t, written(t, large))); err != nil {
		t.Error(err)
	}
}
