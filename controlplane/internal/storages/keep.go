package storages

import (
	"context"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// Keep stores a file of this machine, in the place of one that may be there, and returns
// the name of the storage. The file is given away with its sha256, in hexadecimal: nobody
// writes to it any more, and whoever calls removes its name here. So a storage on the same
// disk can have it without writing it again; see [storage.Gift]. It can be read again, so
// that a plugin that ends under it is no failure.
func (s *Service) Keep(ctx context.Context, name, key, localPath, sha256 string) (string, error) {
	e, err := s.find(name)
	if err != nil {
		return "", err
	}
	if err := storage.CheckKey(key); err != nil {
		return "", err
	}
	if err := e.writable(); err != nil {
		return "", err
	}
	src, err := storage.Given(localPath, sha256)
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "a file that is to be stored can't be read")
	}
	return e.Name, explain(e.Name, e.instance.Put(ctx, key, src))
}

// Presign returns an address from which anybody can fetch a file for a while, with no
// more than a URL; "" where the storage has none.
func (s *Service) Presign(ctx context.Context, name, key string, ttl time.Duration) (string, error) {
	e, err := s.find(name)
	if err != nil {
		return "", err
	}
	presigner, ok := storage.As[storage.Presigner](storage.Backend(e.instance))
	if !ok {
		return "", nil
	}
	signed, err := presigner.PresignGet(ctx, key, ttl)
	if fault.KindOf(err) == fault.NotImplemented {
		return "", nil // this file has none
	}
	if err != nil || len(signed.Header) > 0 {
		return "", explain(e.Name, err)
	}
	return signed.URL, nil
}

// LocalPath returns where on this machine a file is; "" where it is nowhere.
func (s *Service) LocalPath(ctx context.Context, name, key string) (string, error) {
	e, err := s.find(name)
	if err != nil {
		return "", err
	}
	locator, ok := storage.As[storage.Locator](storage.Backend(e.instance))
	if !ok {
		return "", nil
	}
	path, err := locator.LocalPath(ctx, key)
	return path, explain(e.Name, err)
}
