package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/storage"
)

// halfRead is how large an object is that is read while its instance is closed: more
// than is on the way to a host that does not read on.
const halfRead = 24 << 20

// flowing is a source that never ends, and is never waited for long.
type flowing struct{ *endless }

// Open implements [storage.Source].
func (f flowing) Open() (io.ReadCloser, error) { return f, nil }

func (f flowing) Read(p []byte) (int, error) {
	if f.left > 0 {
		return f.endless.Read(p)
	}
	select {
	case <-f.half:
	default:
		close(f.half)
	}
	select {
	case <-f.ctx.Done():
		return 0, f.ctx.Err()
	case <-time.After(20 * time.Millisecond):
		return min(len(p), 256<<10), nil
	}
}

func endsCalls(ctx context.Context, s *subject) error {
	return s.withStorage(ctx, func(p *host.Process, a *host.Storage) error {
		b, err := p.OpenStorage(ctx, s.config)
		if err != nil {
			return err
		}
		const read, written = "st/read", "st/written"
		if err := a.Put(ctx, read, storage.Once(io.LimitReader(zeros{}, halfRead), halfRead)); err != nil {
			return err
		}
		defer b.Delete(context.WithoutCancel(ctx), read) //nolint:errcheck // the next clearing tells
		in, err := a.Get(ctx, read, storage.Range{})
		if err != nil {
			return err
		}
		if _, err := io.ReadFull(in, make([]byte, 1)); err != nil {
			return errors.Join(err, in.Close())
		}
		uploading, cancel := context.WithCancel(ctx)
		defer cancel()
		src := flowing{&endless{ctx: uploading, left: 3 << 20, half: make(chan struct{})}}
		uploaded := make(chan error, 1)
		go func() { uploaded <- a.Put(uploading, written, src) }()
		select {
		case <-src.half:
		case err := <-uploaded:
			return errors.Join(fmt.Errorf("an upload ended before its source did: %w", errOr(err)), in.Close())
		}
		return endsWith(ctx, a, b, in, uploaded, written)
	})
}

// endsWith wants a download, which it closes, and an upload to end with their instance.
func endsWith(ctx context.Context, a, b *host.Storage, in io.ReadCloser, uploaded <-chan error, written string) error {
	ctx, cancel := context.WithTimeout(ctx, endWithin)
	defer cancel()
	if err := a.CloseInstance(ctx); err != nil {
		return errors.Join(fmt.Errorf("close: %w", err), in.Close())
	}
	downloaded := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, in)
		in.Close() // by whoever reads it, who may go on when this has been given up
		downloaded <- err
	}()
	for name, ended := range map[string]<-chan error{"upload": uploaded, "download": downloaded} {
		select {
		case err := <-ended:
			if err == nil {
				return fmt.Errorf("the %s went on to its end", name)
			}
		case <-ctx.Done():
			return fmt.Errorf("the %s goes on after %v", name, endWithin)
		}
	}
	if _, err := b.Stat(ctx, written); fault.KindOf(err) != fault.NotFound {
		return errors.Join(errors.New("the upload was stored, or can't be looked for"), err)
	}
	return nil
}
