package dev

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// What bench stores, under keys of its own, and how often it asks.
const (
	benchKey   = "corral-plugin-bench"
	benchBytes = 64 << 20
	benchCalls = 100
)

// bench says how fast one object is put and read, and how long single calls take.
func bench(ctx context.Context, s *session, args []string) (err error) {
	size := int64(benchBytes)
	if len(args) == 1 {
		given, err := config.ParseSize(args[0])
		if err != nil {
			return fault.Wrap(fault.Invalid, err, "%q is not a size, such as 64MiB", args[0]).On(fault.Caller)
		}
		size = int64(given)
	}
	defer func() { err = errors.Join(err, s.storage.Delete(context.WithoutCancel(ctx), benchKey)) }()
	took, err := timed(func() error { return s.storage.Put(ctx, benchKey, noise(size)) })
	if err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "put   %s\n", rate(size, took))
	took, err = timed(func() error { return readAll(ctx, s.storage, size) })
	if err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "get   %s\n", rate(size, took))
	for _, one := range []struct {
		name string
		call func() error
	}{
		{"stat", func() error { _, err := s.storage.Stat(ctx, benchKey); return err }},
		{"range", func() error { return readRange(ctx, s.storage, storage.Range{LengthBytes: 1}) }},
	} {
		if size == 0 && one.name == "range" {
			continue
		}
		calls := make([]time.Duration, benchCalls)
		for i := range calls {
			if calls[i], err = timed(one.call); err != nil {
				return err
			}
		}
		slices.Sort(calls)
		fmt.Fprintf(s.Out, "%-5s %v the median of %d, %v the slowest\n", one.name, calls[len(calls)/2], len(calls), calls[len(calls)-1])
	}
	return nil
}

func timed(do func() error) (time.Duration, error) {
	began := time.Now()
	err := do()
	return time.Since(began), err
}

func rate(size int64, took time.Duration) string {
	return fmt.Sprintf("%d bytes in %v, %.0f MB/s", size, took.Round(time.Millisecond), float64(size)/1e6/max(took.Seconds(), 1e-9))
}

func readAll(ctx context.Context, b storage.Backend, size int64) error {
	in, err := b.Get(ctx, benchKey, storage.Range{})
	if err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, in)
	if err == nil && n != size {
		err = fault.New(fault.Corrupt, "%d bytes were read, and %d were put", n, size).On(fault.Plugin)
	}
	return errors.Join(err, in.Close())
}

func readRange(ctx context.Context, b storage.Backend, r storage.Range) error {
	in, err := b.Get(ctx, benchKey, r)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return errors.Join(err, in.Close())
}

// noise is a source of bytes that can't be compressed, the same at each opening.
type noise int64

func (n noise) SizeBytes() int64 { return int64(n) }

func (n noise) Open() (io.ReadCloser, error) {
	return io.NopCloser(io.LimitReader(rand.NewChaCha8([32]byte{}), int64(n))), nil
}
