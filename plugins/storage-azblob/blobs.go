package main

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"github.com/corral-fleet/corral/plugins/internal/transfer"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// blobs is a [storage.Backend]. What an upload leaves, the service removes by itself
// within a week, and nobody sees it.
type blobs struct {
	client    *container.Client
	transport *http.Transport
	container string
	prefix    string
	address   string
	cut       transfer.Cut
	can       storage.Capabilities
}

var (
	_ storage.Backend   = (*blobs)(nil)
	_ storage.Creator   = (*blobs)(nil)
	_ storage.Copier    = (*blobs)(nil)
	_ storage.Pager     = (*blobs)(nil)
	_ storage.Presigner = (*blobs)(nil)
	_ storage.Checker   = (*blobs)(nil)
	_ storage.Addresser = (*blobs)(nil)
	_ storage.Limited   = (*blobs)(nil)
	_ io.Closer         = (*blobs)(nil)
)

// Capabilities implements [storage.Limited].
func (b *blobs) Capabilities() storage.Capabilities { return b.can }

// Address implements [storage.Addresser].
func (b *blobs) Address() string { return b.address + b.prefix }

// Close lets go of the connections.
func (b *blobs) Close() error {
	b.transport.CloseIdleConnections()
	return nil
}

// at returns the blob of a key.
func (b *blobs) at(key string) *blockblob.Client {
	return b.client.NewBlockBlobClient(nameOf(b.prefix + key))
}

// What is kept with an object: the sha256 of its bytes, where they were at hand before
// they were sent, and the name of the upload that it is of.
const (
	sumMetadata    = "corral_sha256"
	uploadMetadata = "corral_upload"
)

// metadata returns what is kept with an object under a name, whose case gets lost.
func metadata(all map[string]*string, name string) string {
	for have, value := range all {
		if strings.EqualFold(have, name) && value != nil {
			return *value
		}
	}
	return ""
}

// Stat implements [storage.Backend].
func (b *blobs) Stat(ctx context.Context, key string) (storage.Info, error) {
	out, err := b.properties(ctx, key)
	if err != nil {
		return storage.Info{}, err
	}
	return infoOf(key, out.ContentLength, out.LastModified, out.ETag, metadata(out.Metadata, sumMetadata)), nil
}

func (b *blobs) properties(ctx context.Context, key string) (blob.GetPropertiesResponse, error) {
	out, err := b.at(key).GetProperties(ctx, nil)
	if statusOf(err) == http.StatusNotFound && !bloberror.HasCode(err, bloberror.ContainerNotFound) {
		return out, absent(key)
	}
	return out, explained(ctx, err, "look at the object %q", key)
}

func infoOf(key string, size *int64, at *time.Time, etag *azcore.ETag, sum string) storage.Info {
	info := storage.Info{Key: key, SHA256: sum}
	if size != nil {
		info.SizeBytes = *size
	}
	if at != nil {
		info.ModifiedAt = at.UTC()
	}
	if etag != nil {
		info.Version = strings.Trim(string(*etag), `"`)
	}
	return info
}

// Get implements [storage.Backend].
func (b *blobs) Get(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
	return b.cut.Get(ctx, r, transfer.Object{Key: key, Stat: b.Stat, Open: func(ctx context.Context, offset, length int64) (transfer.Part, error) {
		out, err := b.get(ctx, key, offset, length, nil)
		if err != nil {
			return transfer.Part{}, b.explainedGet(ctx, err, key)
		}
		part := transfer.Part{
			Body: out.Body, TotalBytes: totalOf(out),
			More: func(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
				more, err := b.get(ctx, key, offset, length, out.ETag)
				if err != nil {
					return nil, b.explainedGet(ctx, err, key)
				}
				return more.Body, nil
			},
		}
		if out.ContentLength != nil {
			part.Bytes = *out.ContentLength
		}
		return part, nil
	}})
}

func (b *blobs) get(ctx context.Context, key string, offset, length int64, version *azcore.ETag) (blob.DownloadStreamResponse, error) {
	return b.at(key).DownloadStream(ctx, &blob.DownloadStreamOptions{
		Range:            blob.HTTPRange{Offset: offset, Count: length},
		AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: version}},
	})
}

// totalOf returns how large the object is of which a part comes, -1 where nothing says.
func totalOf(out blob.DownloadStreamResponse) int64 {
	if out.ContentRange == nil || out.ContentLength == nil {
		return -1
	}
	_, size, ok := strings.Cut(*out.ContentRange, "/")
	if total, err := strconv.ParseInt(size, 10, 64); ok && err == nil {
		return total
	}
	return -1
}

func (b *blobs) explainedGet(ctx context.Context, err error, key string) error {
	switch {
	case bloberror.HasCode(err, bloberror.BlobNotFound, bloberror.ResourceNotFound):
		return absent(key)
	case statusOf(err) == http.StatusRequestedRangeNotSatisfiable:
		return transfer.ErrNoPart
	case statusOf(err) == http.StatusPreconditionFailed:
		return fault.Wrap(fault.Conflict, err, "the object %q was replaced while it was read", key).On(fault.Service)
	}
	return explained(ctx, err, "read the object %q", key)
}

// Delete implements [storage.Backend].
func (b *blobs) Delete(ctx context.Context, key string) error {
	_, err := b.at(key).Delete(ctx, &blob.DeleteOptions{DeleteSnapshots: to.Ptr(blob.DeleteSnapshotsOptionTypeInclude)})
	if bloberror.HasCode(err, bloberror.BlobNotFound, bloberror.ResourceNotFound) {
		return nil
	}
	return explained(ctx, err, "delete the object %q", key)
}

// maxTTL is how long an address may be valid, as elsewhere.
const maxTTL = 7 * 24 * time.Hour

// PresignGet implements [storage.Presigner].
func (b *blobs) PresignGet(_ context.Context, key string, ttl time.Duration) (storage.Presigned, error) {
	if ttl < time.Second || ttl > maxTTL {
		return storage.Presigned{}, fault.New(fault.Invalid, "an address can be valid from a second to %v, not %v", maxTTL, ttl).On(fault.Caller)
	}
	expires := time.Now().Add(ttl)
	address, err := b.at(key).GetSASURL(sas.BlobPermissions{Read: true}, expires, nil)
	if err != nil {
		return storage.Presigned{}, fault.Wrap(fault.Internal, err, "an address can't be signed")
	}
	return storage.Presigned{URL: address, Header: http.Header{}, ExpiresAt: expires}, nil
}

// Check implements [storage.Checker].
func (b *blobs) Check(ctx context.Context) error {
	begin := beginOf(b.prefix)
	_, err := b.client.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: &begin, MaxResults: new(int32(1))}).NextPage(ctx)
	return explained(ctx, err, "list the container %s", b.container)
}
