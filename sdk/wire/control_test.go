package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/wire"
)

func TestControlStreamCarriesEveryFrame(t *testing.T) {
	frames := examples()
	frames["unknown"] = &wire.Unknown{Number: 1000, Payload: []byte("skip me")}
	var stream bytes.Buffer
	w := wire.NewWriter(&stream)
	var order []wire.Frame
	for _, f := range frames {
		order = append(order, f)
		if err := w.Write(f); err != nil {
			t.Fatal(err)
		}
	}
	r := wire.NewReader(iotest.OneByteReader(&stream))
	for _, want := range order {
		got, err := r.Read()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, sameFloat); diff != "" {
			t.Error(diff)
		}
	}
	if _, err := r.Read(); err != io.EOF {
		t.Errorf("after the last frame: %v, want io.EOF", err)
	}
}

// writeCounter wants each frame in one write: more would be more messages on
// the WebSocket below.
type writeCounter struct {
	bytes.Buffer
	writes int
}

func (w *writeCounter) Write(p []byte) (int, error) {
	w.writes++
	return w.Buffer.Write(p)
}

func TestConcurrentWritersDoNotMix(t *testing.T) {
	const writers, each = 4, 50
	var stream writeCounter
	w := wire.NewWriter(&stream)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for range each {
				if err := w.Write(&wire.Ping{ID: uint64(i + 1), UnixMillis: int64(i + 1)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if stream.writes != writers*each {
		t.Errorf("%d writes for %d frames", stream.writes, writers*each)
	}
	r := wire.NewReader(&stream)
	seen := map[uint64]int{}
	for range writers * each {
		f, err := r.Read()
		if err != nil {
			t.Fatal(err)
		}
		ping := f.(*wire.Ping)
		if int64(ping.ID) != ping.UnixMillis {
			t.Fatalf("two frames mixed: %+v", ping)
		}
		seen[ping.ID]++
	}
	for i := range writers {
		if n := seen[uint64(i+1)]; n != each {
			t.Errorf("%d frames of writer %d, want %d", n, i+1, each)
		}
	}
}

func TestFrameOverTheCap(t *testing.T) {
	var stream writeCounter
	err := wire.NewWriter(&stream).Write(&wire.Unknown{Number: 1000, Payload: make([]byte, wire.MaxFrame)})
	if !errors.Is(err, wire.ErrFrameTooLarge) {
		t.Errorf("writing it: %v, want ErrFrameTooLarge", err)
	}
	if stream.writes != 0 {
		t.Error("a part of it was written")
	}

	announced := binary.BigEndian.AppendUint32(nil, wire.MaxFrame+1)
	if _, err := wire.NewReader(bytes.NewReader(announced)).Read(); !errors.Is(err, wire.ErrFrameTooLarge) {
		t.Errorf("reading it: %v, want ErrFrameTooLarge", err)
	}
}

func TestControlStreamCutOff(t *testing.T) {
	var stream bytes.Buffer
	if err := wire.NewWriter(&stream).Write(examples()["instances"]); err != nil {
		t.Fatal(err)
	}
	for n := 1; n < stream.Len(); n++ {
		_, err := wire.NewReader(bytes.NewReader(stream.Bytes()[:n])).Read()
		if err == nil || err == io.EOF {
			t.Errorf("%d of %d bytes: %v, want an error that is not the stream's proper end", n, stream.Len(), err)
		}
	}
}

func TestFailedWriteIsAnError(t *testing.T) {
	r, w := io.Pipe()
	r.Close()
	if err := wire.NewWriter(w).Write(&wire.Ping{ID: 1}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Write = %v, want the cause", err)
	}
}
