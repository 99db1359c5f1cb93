package uploads

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"
)

// endless has so many bytes, in pieces of the size that a socket would give.
type endless struct{ left int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), e.left, 64<<10)
	e.left -= n
	return int(n), nil
}

func staged(t testing.TB) *os.File {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "staged"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}

// However much comes, a pump takes the memory that it was given.
func TestAPumpAllocatesNothingForWhatItPumps(t *testing.T) {
	file, memory := staged(t), new(pieceSet)
	allocations := func(size int64) float64 {
		return testing.AllocsPerRun(5, func() {
			in := pump{file: file, limit: math.MaxInt64 - 1, sum: sha256.New(), flushBytes: math.MaxInt64, notify: func(int64) {}}
			if err := in.run(&endless{size}, memory); err != nil || in.at != size {
				t.Fatalf("at %d, %v", in.at, err)
			}
		})
	}
	little, much := allocations(pieceBytes), allocations(64*pieceBytes)
	if much > little+4 { // the runtime's own, now and then
		t.Errorf("%v allocations for one piece, %v for 64", little, much)
	}
}

// Nothing is flushed per write: what comes in single bytes is written in whole pieces, and
// flushed after so many bytes as were said.
func TestSmallWritesAreNotFlushed(t *testing.T) {
	const size = 3*pieceBytes + 1
	content := bytes.Repeat([]byte{7}, size)
	var flushed []int64
	in := pump{
		file: staged(t), limit: size, sum: sha256.New(), flushBytes: 2 * pieceBytes, notify: func(int64) {},
		flushed: func(offset int64, _ []byte) error {
			flushed = append(flushed, offset)
			return nil
		},
	}
	if err := in.run(iotest.OneByteReader(bytes.NewReader(content)), new(pieceSet)); err != nil {
		t.Fatal(err)
	}
	if len(flushed) > 1 || len(flushed) == 1 && flushed[0] < 2*pieceBytes {
		t.Errorf("flushed at %v", flushed)
	}
	if want := sha256.Sum256(content); !bytes.Equal(in.sum.Sum(nil), want[:]) {
		t.Error("another digest")
	}
}

// A flush that fails ends the pump, and nothing is claimed after it.
func TestAFlushThatFails(t *testing.T) {
	broken := errors.New("no store")
	in := pump{
		file: staged(t), limit: math.MaxInt64 - 1, sum: sha256.New(), flushBytes: 1, notify: func(int64) {},
		flushed: func(int64, []byte) error { return broken },
	}
	if err := in.run(&endless{math.MaxInt64}, new(pieceSet)); !errors.Is(err, broken) {
		t.Errorf("ended with %v", err)
	}
	if err := in.finish(); !errors.Is(err, broken) {
		t.Errorf("finished with %v", err)
	}
}

func BenchmarkPump(b *testing.B) {
	const size = 64 << 20
	file, memory := staged(b), new(pieceSet)
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		in := pump{file: file, limit: size, sum: sha256.New(), flushBytes: flushBytes, notify: func(int64) {}}
		if err := in.run(&endless{size}, memory); err != nil {
			b.Fatal(err)
		}
	}
}
