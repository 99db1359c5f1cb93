package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/wire"
)

// stream returns frames as they are on a control stream.
func stream(t testing.TB, frames ...wire.Frame) []byte {
	t.Helper()
	var out bytes.Buffer
	w := wire.NewWriter(&out)
	for _, f := range frames {
		if err := w.Write(f); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func TestASplitterFindsEveryFrameInAnyPieces(t *testing.T) {
	var want []wire.Frame
	for _, f := range examples() {
		want = append(want, f)
	}
	want = append(want, &wire.Unknown{Number: 1000, Payload: bytes.Repeat([]byte("x"), 5000)}, &wire.Unknown{Number: 1001})
	raw := stream(t, want...)
	for name, piece := range map[string]func() int{
		"one by one": func() int { return 1 }, "all at once": func() int { return len(raw) },
		"by three": func() int { return 3 }, "at random": func() int { return 1 + rand.N(700) },
	} {
		t.Run(name, func(t *testing.T) {
			var s wire.Splitter
			var got []wire.Frame
			for left := raw; len(left) > 0; {
				n := min(piece(), len(left))
				if err := s.Split(bytes.Clone(left[:n]), func(f wire.Frame) error { got = append(got, f); return nil }); err != nil {
					t.Fatal(err)
				}
				left = left[n:]
			}
			if diff := cmp.Diff(want, got, sameFloat); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestASplitterRefusesWhatAReaderDoes(t *testing.T) {
	huge := binary.BigEndian.AppendUint32(nil, wire.MaxFrame+1)
	for name, pieces := range map[string][][]byte{"whole": {huge}, "in pieces": {huge[:1], huge[1:3], huge[3:]}} {
		var s wire.Splitter
		var err error
		for _, p := range pieces {
			err = s.Split(p, func(wire.Frame) error { t.Error("a frame came"); return nil })
		}
		if !errors.Is(err, wire.ErrFrameTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var s wire.Splitter
	if err := s.Split([]byte{0, 0, 0, 1, 0xff}, func(wire.Frame) error { return nil }); err == nil {
		t.Error("a frame that is none was taken")
	}
	enough := errors.New("enough")
	count := 0
	err := s.Split(stream(t, &wire.Ack{Seq: 1}, &wire.Ack{Seq: 2}), func(wire.Frame) error { count++; return enough })
	if !errors.Is(err, enough) || count != 1 {
		t.Errorf("%v after %d frames", err, count)
	}
}

func BenchmarkSplitter(b *testing.B) {
	raw := stream(b, &wire.Ping{ID: 1, UnixMillis: 1})
	var s wire.Splitter
	take := func(wire.Frame) error { return nil }
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Split(raw, take); err != nil {
			b.Fatal(err)
		}
	}
}
