package main

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/corral-fleet/corral/plugins/internal/transfer"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// bucket is a [storage.Backend].
type bucket struct {
	client    *s3.Client
	presigner *s3.PresignClient
	transport *http.Transport
	name      string
	prefix    string
	cut       transfer.Cut
	can       storage.Capabilities
}

var (
	_ storage.Backend   = (*bucket)(nil)
	_ storage.Creator   = (*bucket)(nil)
	_ storage.Copier    = (*bucket)(nil)
	_ storage.Pager     = (*bucket)(nil)
	_ storage.Presigner = (*bucket)(nil)
	_ storage.Checker   = (*bucket)(nil)
	_ storage.Sweeper   = (*bucket)(nil)
	_ storage.Addresser = (*bucket)(nil)
	_ storage.Limited   = (*bucket)(nil)
	_ io.Closer         = (*bucket)(nil)
)

// Capabilities implements [storage.Limited].
func (b *bucket) Capabilities() storage.Capabilities { return b.can }

// Address implements [storage.Addresser].
func (b *bucket) Address() string { return "s3://" + b.name + "/" + b.prefix }

// Close lets go of the connections.
func (b *bucket) Close() error {
	b.transport.CloseIdleConnections()
	return nil
}

// at returns where a key is in the bucket.
func (b *bucket) at(key string) *string { return aws.String(b.prefix + key) }

// What is kept with an object: the sha256 of its bytes, where they were at hand before
// they were sent, and the name of the upload that it is of.
const (
	sumMetadata    = "corral-sha256"
	uploadMetadata = "corral-upload"
)

// Stat implements [storage.Backend].
func (b *bucket) Stat(ctx context.Context, key string) (storage.Info, error) {
	out, err := b.head(ctx, key)
	if err != nil {
		return storage.Info{}, err
	}
	return storage.Info{
		Key: key, SizeBytes: aws.ToInt64(out.ContentLength), ModifiedAt: aws.ToTime(out.LastModified).UTC(), Version: tag(out.ETag),
		SHA256: out.Metadata[sumMetadata],
	}, nil
}

func (b *bucket) head(ctx context.Context, key string) (*s3.HeadObjectOutput, error) {
	out, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: b.at(key)})
	if statusOf(err) == http.StatusNotFound {
		return nil, absent(key)
	}
	return out, explained(ctx, err, "look at the object %q", key)
}

// tag returns an entity tag as a version.
func tag(etag *string) string { return strings.Trim(aws.ToString(etag), `"`) }

// Get implements [storage.Backend].
func (b *bucket) Get(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
	return b.cut.Get(ctx, r, transfer.Object{Key: key, Stat: b.Stat, Open: func(ctx context.Context, offset, length int64) (transfer.Part, error) {
		out, err := b.get(ctx, key, offset, length, nil)
		if err != nil {
			return transfer.Part{}, b.explainedGet(ctx, err, key)
		}
		return transfer.Part{
			Body: out.Body, Bytes: aws.ToInt64(out.ContentLength), TotalBytes: totalOf(out),
			More: func(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
				more, err := b.get(ctx, key, offset, length, out.ETag)
				if err != nil {
					return nil, b.explainedGet(ctx, err, key)
				}
				return more.Body, nil
			},
		}, nil
	}})
}

func (b *bucket) get(ctx context.Context, key string, offset, length int64, version *string) (*s3.GetObjectOutput, error) {
	return b.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &b.name, Key: b.at(key), IfMatch: version,
		Range: aws.String("bytes=" + strconv.FormatInt(offset, 10) + "-" + strconv.FormatInt(offset+length-1, 10)),
	})
}

// totalOf returns how large the object is of which a part comes, -1 where nothing says.
func totalOf(out *s3.GetObjectOutput) int64 {
	_, size, ok := strings.Cut(aws.ToString(out.ContentRange), "/")
	if !ok && out.ContentLength != nil && *out.ContentLength == 0 {
		return 0 // all of it comes, as an empty object does at some services
	}
	if total, err := strconv.ParseInt(size, 10, 64); ok && err == nil {
		return total
	}
	return -1
}

func (b *bucket) explainedGet(ctx context.Context, err error, key string) error {
	switch {
	case codeOf(err) == "NoSuchKey", codeOf(err) == "NotFound":
		return absent(key)
	case statusOf(err) == http.StatusRequestedRangeNotSatisfiable:
		return transfer.ErrNoPart
	case statusOf(err) == http.StatusPreconditionFailed:
		return fault.Wrap(fault.Conflict, err, "the object %q was replaced while it was read", key).On(fault.Service)
	}
	return explained(ctx, err, "read the object %q", key)
}

// Delete implements [storage.Backend].
func (b *bucket) Delete(ctx context.Context, key string) error {
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: b.at(key)})
	if codeOf(err) == "NoSuchKey" {
		return nil
	}
	return explained(ctx, err, "delete the object %q", key)
}

// maxTTL is how long the service lets an address be valid.
const maxTTL = 7 * 24 * time.Hour

// PresignGet implements [storage.Presigner].
func (b *bucket) PresignGet(ctx context.Context, key string, ttl time.Duration) (storage.Presigned, error) {
	if ttl < time.Second || ttl > maxTTL {
		return storage.Presigned{}, fault.New(fault.Invalid, "an address can be valid from a second to %v, not %v", maxTTL, ttl).On(fault.Caller)
	}
	expires := time.Now().Add(ttl)
	signed, err := b.presigner.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: b.at(key)}, s3.WithPresignExpires(ttl))
	if err != nil {
		return storage.Presigned{}, explained(ctx, err, "sign an address")
	}
	return presigned(signed, expires), nil
}

func presigned(signed *v4.PresignedHTTPRequest, expires time.Time) storage.Presigned {
	header := http.Header{}
	for name, values := range signed.SignedHeader {
		if !strings.EqualFold(name, "Host") { // which is in the address
			header[name] = values
		}
	}
	return storage.Presigned{URL: signed.URL, Header: header, ExpiresAt: expires}
}

// Check implements [storage.Checker]: whether the bucket can be listed, since whoever
// may do that alone is told of an object that it is not there.
func (b *bucket) Check(ctx context.Context) error {
	_, err := b.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: &b.prefix, MaxKeys: aws.Int32(1)})
	return explained(ctx, err, "list the bucket %s", b.name)
}

// infoOf returns what a listing tells of an object, and false where it is none of ours.
func (b *bucket) infoOf(o types.Object) (storage.Info, bool) {
	key, ok := strings.CutPrefix(aws.ToString(o.Key), b.prefix)
	if !ok || storage.CheckKey(key) != nil {
		return storage.Info{}, false
	}
	return storage.Info{Key: key, SizeBytes: aws.ToInt64(o.Size), ModifiedAt: aws.ToTime(o.LastModified).UTC(), Version: tag(o.ETag)}, true
}
