package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// What the service copies in one request, and how long that may take. A larger object
// would be there empty until its copy is whole, so that it goes through here.
const (
	maxCopyBytes = 256 << 20
	copyTTL      = 10 * time.Minute
)

// Copy implements [storage.Copier].
func (b *blobs) Copy(ctx context.Context, target, source string) error {
	info, err := b.Stat(ctx, source)
	if err != nil || target == source {
		return err
	}
	if info.SizeBytes > maxCopyBytes {
		in, err := b.Get(ctx, source, storage.Range{})
		if err != nil {
			return err
		}
		return errors.Join(b.Put(ctx, target, storage.Once(in, info.SizeBytes)), in.Close())
	}
	from, err := b.PresignGet(ctx, source, copyTTL)
	if err != nil {
		return err
	}
	_, err = b.at(target).CopyFromURL(ctx, from.URL, &blob.CopyFromURLOptions{
		SourceModifiedAccessConditions: &blob.SourceModifiedAccessConditions{SourceIfMatch: new(azcore.ETag(`"` + info.Version + `"`))},
	})
	switch statusOf(err) {
	case http.StatusNotFound:
		return absent(source)
	case http.StatusPreconditionFailed:
		return fault.Wrap(fault.Conflict, err, "the object %q was replaced while it was copied", source).On(fault.Service)
	}
	return explained(ctx, err, "copy to the object %q", target)
}
