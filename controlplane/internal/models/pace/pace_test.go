package pace

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func reader(n int) io.ReadCloser { return io.NopCloser(bytes.NewReader(make([]byte, n))) }

func TestReadersShareALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(func() int64 { return 1 << 20 })
		began := time.Now()
		var reading sync.WaitGroup
		for range 4 {
			reading.Go(func() {
				if n, err := io.Copy(io.Discard, l.Reader(t.Context(), reader(1<<20))); n != 1<<20 || err != nil {
					t.Errorf("%d bytes, %v", n, err)
				}
			})
		}
		reading.Wait()
		if took := time.Since(began); took < 3900*time.Millisecond || took > 4100*time.Millisecond {
			t.Errorf("4 MiB at 1 MiB a second took %v", took)
		}
	})
}

func TestALimitCanBeChangedAndTakenAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		most := int64(0)
		l := New(func() int64 { return most })
		began := time.Now()
		if _, err := io.Copy(io.Discard, l.Reader(t.Context(), reader(100<<20))); err != nil || time.Since(began) > 0 {
			t.Errorf("without a limit it took %v, %v", time.Since(began), err)
		}
		most = 64 << 10
		if _, err := io.Copy(io.Discard, l.Reader(t.Context(), reader(128<<10))); err != nil || time.Since(began) < time.Second {
			t.Errorf("with a limit it took %v, %v", time.Since(began), err)
		}
	})
}

func TestWhoWaitsIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := io.Copy(io.Discard, New(func() int64 { return 1 }).Reader(ctx, reader(1<<20)))
		if err == nil || errors.Is(err, io.EOF) {
			t.Errorf("error %v", err)
		}
	})
}
