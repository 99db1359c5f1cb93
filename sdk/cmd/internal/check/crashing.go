package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/host"
	"github.com/corral-fleet/corral/sdk/storage"
)

func leavesNothing(ctx context.Context, s *subject) error {
	before := []byte("what was there before")
	err := s.withStorage(ctx, func(p *host.Process, b *host.Storage) error {
		if err := b.Put(ctx, "st/old", storage.Bytes(before)); err != nil {
			return err
		}
		upload, cancel := context.WithCancel(ctx)
		defer cancel()
		var uploads []<-chan error
		for _, key := range []string{"st/old", "st/new"} {
			ended, err := uploading(upload, b, key, 20<<20)
			if err != nil {
				return err
			}
			uploads = append(uploads, ended)
		}
		if err := kill(p); err != nil {
			return err
		}
		cancel()
		for _, ended := range uploads {
			if err := <-ended; err == nil {
				return errors.New("an upload that was cut off has no error")
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.withStorage(ctx, func(_ *host.Process, b *host.Storage) error {
		defer b.Delete(context.WithoutCancel(ctx), "st/old") //nolint:errcheck // the next clearing tells
		if _, err := b.Stat(ctx, "st/new"); fault.KindOf(err) != fault.NotFound {
			return fmt.Errorf("the new object: %w", errOr(err))
		}
		for info, err := range b.List(ctx, "st/") {
			if err != nil || info.Key != "st/old" {
				return fmt.Errorf("there is %q in the listing, %w", info.Key, errOr(err))
			}
		}
		in, err := b.Get(ctx, "st/old", storage.Range{})
		if fault.KindOf(err) == fault.NotFound {
			return nil // it keeps nothing beyond its process
		}
		if err != nil {
			return err
		}
		defer in.Close() // it was only read
		if got, err := io.ReadAll(in); err != nil || !bytes.Equal(got, before) {
			return fmt.Errorf("what was there before has %d bytes, %w", len(got), errOr(err))
		}
		return nil
	})
}

func keepsAcknowledged(ctx context.Context, s *subject) error {
	content := func(i int) []byte { return bytes.Repeat([]byte{byte('a' + i)}, 100_000+i) }
	key := func(i int) string { return fmt.Sprintf("st/kept-%d", i) }
	err := s.withStorage(ctx, func(p *host.Process, b *host.Storage) error {
		for i := range acknowledged {
			if err := b.Put(ctx, key(i), storage.Bytes(content(i))); err != nil {
				return err
			}
		}
		return kill(p)
	})
	if err != nil {
		return err
	}
	return s.withStorage(ctx, func(_ *host.Process, b *host.Storage) error {
		var gone, wrong []string
		for i := range acknowledged {
			got, err := readAll(ctx, b, key(i))
			switch {
			case fault.KindOf(err) == fault.NotFound:
				gone = append(gone, key(i))
			case err != nil:
				return err
			case !bytes.Equal(got, content(i)):
				wrong = append(wrong, key(i))
			}
			if err := b.Delete(ctx, key(i)); err != nil {
				return err
			}
		}
		// One that keeps nothing beyond its process says so by having nothing.
		if len(wrong) > 0 || len(gone) > 0 && len(gone) < acknowledged {
			return fmt.Errorf("%q are gone, %q have other bytes", gone, wrong)
		}
		return nil
	})
}

func kill(p *host.Process) error {
	if err := syscall.Kill(p.PID(), syscall.SIGKILL); err != nil {
		return err
	}
	<-p.Exited()
	return nil
}

func readAll(ctx context.Context, b storage.Backend, key string) ([]byte, error) {
	in, err := b.Get(ctx, key, storage.Range{})
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(in)
	return content, errors.Join(err, in.Close())
}

func sweepsLeftovers(ctx context.Context, s *subject) error {
	before := []byte("what was there before")
	err := s.withStorage(ctx, func(p *host.Process, b *host.Storage) error {
		if _, ok := storage.As[storage.Sweeper](b); !ok {
			return errNotDeclared
		}
		upload, cancel := context.WithCancel(ctx)
		defer cancel()
		if err := b.Put(ctx, "st/old", storage.Bytes(before)); err != nil {
			return err
		}
		ended, err := uploading(upload, b, "st/new", 3<<20)
		if err != nil {
			return err
		}
		if err := kill(p); err != nil {
			return err
		}
		cancel()
		if err := <-ended; err == nil {
			return errors.New("an upload that was cut off has no error")
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.withStorage(ctx, func(_ *host.Process, b *host.Storage) error {
		defer b.Delete(context.WithoutCancel(ctx), "st/old") //nolint:errcheck // the next clearing tells
		if _, err := b.Sweep(ctx, 0); err != nil {
			return err
		}
		if n, err := b.Sweep(ctx, 0); n != 0 || err != nil {
			return fmt.Errorf("the second time it sweeps %d, %w", n, errOr(err))
		}
		if got, err := readAll(ctx, b, "st/old"); fault.KindOf(err) != fault.NotFound && !bytes.Equal(got, before) {
			return fmt.Errorf("what was there before has %d bytes, %w", len(got), errOr(err))
		}
		return nil
	})
}

func keepsTokens(ctx context.Context, s *subject) error {
	const objects = 6
	key := func(i int) string { return fmt.Sprintf("st/page-%d", i) }
	request := storage.PageRequest{Prefix: "st/page-", Limit: 2}
	seen := map[string]int{}
	err := s.withStorage(ctx, func(_ *host.Process, b *host.Storage) error {
		for i := range objects {
			if err := b.Put(ctx, key(i), storage.Bytes(nil)); err != nil {
				return err
			}
		}
		page, err := storage.ListPage(ctx, b, request)
		if err == nil && page.NextToken == "" {
			err = fmt.Errorf("a page of %d has no token", len(page.Objects))
		}
		for _, o := range page.Objects {
			seen[o.Key]++
		}
		request.Token = page.NextToken
		return err
	})
	if err != nil {
		return err
	}
	return s.withStorage(ctx, func(_ *host.Process, b *host.Storage) error {
		if _, err := b.Stat(ctx, key(0)); fault.KindOf(err) == fault.NotFound {
			return errNotDeclared // it keeps nothing beyond its process
		}
		for range objects {
			page, err := storage.ListPage(ctx, b, request)
			if err != nil {
				return err
			}
			for _, o := range page.Objects {
				seen[o.Key]++
			}
			if request.Token = page.NextToken; request.Token == "" {
				break
			}
		}
		for i := range objects {
			if seen[key(i)] != 1 {
				return fmt.Errorf("%q is there %d times", key(i), seen[key(i)])
			}
			if err := b.Delete(ctx, key(i)); err != nil {
				return err
			}
		}
		return nil
	})
}
