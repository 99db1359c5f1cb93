package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	gcs "cloud.google.com/go/storage"

	"github.com/corral-fleet/corral/plugins/internal/transfer"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// bucket is a [storage.Backend]. What an upload leaves, the service removes by itself
// within a week, and nobody sees it.
type bucket struct {
	client      *gcs.Client
	bucket      *gcs.BucketHandle
	transport   *http.Transport
	name        string
	prefix      string
	signer      *signer
	fetch, send transfer.Cut
	can         storage.Capabilities
}

var (
	_ storage.Backend   = (*bucket)(nil)
	_ storage.Creator   = (*bucket)(nil)
	_ storage.Copier    = (*bucket)(nil)
	_ storage.Pager     = (*bucket)(nil)
	_ storage.Presigner = (*bucket)(nil)
	_ storage.Checker   = (*bucket)(nil)
	_ storage.Addresser = (*bucket)(nil)
	_ storage.Limited   = (*bucket)(nil)
	_ io.Closer         = (*bucket)(nil)
)

// Capabilities implements [storage.Limited].
func (b *bucket) Capabilities() storage.Capabilities { return b.can }

// Address implements [storage.Addresser].
func (b *bucket) Address() string { return "gs://" + b.name + "/" + b.prefix }

// Close lets go of the connections.
func (b *bucket) Close() error {
	b.transport.CloseIdleConnections()
	return b.client.Close()
}

// at returns the object of a key.
func (b *bucket) at(key string) *gcs.ObjectHandle { return b.bucket.Object(b.prefix + key) }

// What is kept with an object: the sha256 of its bytes, where they were at hand before
// they were sent, and the name of the upload that it is of.
const (
	sumMetadata    = "corral-sha256"
	uploadMetadata = "corral-upload"
)

// Stat implements [storage.Backend].
func (b *bucket) Stat(ctx context.Context, key string) (storage.Info, error) {
	attrs, err := b.attrs(ctx, key)
	if err != nil {
		return storage.Info{}, err
	}
	return infoOf(key, attrs), nil
}

func (b *bucket) attrs(ctx context.Context, key string) (*gcs.ObjectAttrs, error) {
	attrs, err := b.at(key).Attrs(ctx)
	if errors.Is(err, gcs.ErrObjectNotExist) {
		return nil, absent(key)
	}
	return attrs, explained(ctx, err, "look at the object %q", key)
}

func infoOf(key string, attrs *gcs.ObjectAttrs) storage.Info {
	return storage.Info{
		Key: key, SizeBytes: attrs.Size, ModifiedAt: attrs.Updated.UTC(), Version: strconv.FormatInt(attrs.Generation, 10),
		SHA256: attrs.Metadata[sumMetadata],
	}
}

// Get implements [storage.Backend].
func (b *bucket) Get(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
	return b.fetch.Get(ctx, r, transfer.Object{Key: key, Stat: b.Stat, Open: func(ctx context.Context, offset, length int64) (transfer.Part, error) {
		in, err := b.get(ctx, b.at(key), key, offset, length)
		if err != nil {
			return transfer.Part{}, err
		}
		one := b.at(key).Generation(in.Attrs.Generation)
		return transfer.Part{
			Body: in, Bytes: min(length, in.Attrs.Size-offset), TotalBytes: in.Attrs.Size,
			More: func(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
				return b.get(ctx, one, key, offset, length)
			},
		}, nil
	}})
}

func (b *bucket) get(ctx context.Context, object *gcs.ObjectHandle, key string, offset, length int64) (*gcs.Reader, error) {
	in, err := object.NewRangeReader(ctx, offset, length)
	if errors.Is(err, gcs.ErrObjectNotExist) {
		return nil, absent(key)
	}
	if statusOf(err) == http.StatusRequestedRangeNotSatisfiable {
		return nil, transfer.ErrNoPart
	}
	return in, explained(ctx, err, "read the object %q", key)
}

// Delete implements [storage.Backend].
func (b *bucket) Delete(ctx context.Context, key string) error {
	err := b.at(key).Delete(ctx)
	if errors.Is(err, gcs.ErrObjectNotExist) {
		return nil
	}
	return explained(ctx, err, "delete the object %q", key)
}

// Copy implements [storage.Copier].
func (b *bucket) Copy(ctx context.Context, target, source string) error {
	attrs, err := b.attrs(ctx, source)
	if err != nil || target == source {
		return err
	}
	_, err = b.at(target).CopierFrom(b.at(source).Generation(attrs.Generation)).Run(ctx)
	if errors.Is(err, gcs.ErrObjectNotExist) {
		return absent(source)
	}
	return explained(ctx, err, "copy to the object %q", target)
}

// maxTTL is how long the service lets an address be valid.
const maxTTL = 7 * 24 * time.Hour

// PresignGet implements [storage.Presigner].
func (b *bucket) PresignGet(_ context.Context, key string, ttl time.Duration) (storage.Presigned, error) {
	if ttl < time.Second || ttl > maxTTL {
		return storage.Presigned{}, fault.New(fault.Invalid, "an address can be valid from a second to %v, not %v", maxTTL, ttl).On(fault.Caller)
	}
	expires := time.Now().Add(ttl)
	address, err := b.bucket.SignedURL(b.prefix+key, &gcs.SignedURLOptions{
		GoogleAccessID: b.signer.email, PrivateKey: b.signer.key, Method: http.MethodGet, Expires: expires, Scheme: gcs.SigningSchemeV4,
	})
	if err != nil {
		return storage.Presigned{}, fault.New(fault.Invalid, "the private key in credentials_json can't sign").On(fault.Caller)
	}
	return storage.Presigned{URL: address, Header: http.Header{}, ExpiresAt: expires}, nil
}

// Check implements [storage.Checker].
func (b *bucket) Check(ctx context.Context) error {
	_, err := b.Page(ctx, storage.PageRequest{Limit: 1})
	return err
}

// keyOf returns the key of an object's name, and false where it is none of ours.
func (b *bucket) keyOf(name string) (string, bool) {
	key, ok := strings.CutPrefix(name, b.prefix)
	return key, ok && storage.CheckKey(key) == nil
}
