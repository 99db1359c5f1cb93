package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/corral-fleet/corral/sdk/fault"
)

// What the service copies in one request, and in which parts it copies more.
const (
	maxCopyBytes  = 5 << 30
	copyPartBytes = 1 << 30
)

// Copy implements [storage.Copier].
func (b *bucket) Copy(ctx context.Context, target, source string) error {
	info, err := b.Stat(ctx, source)
	if err != nil || target == source {
		return err
	}
	from, version := b.copySource(source), aws.String(`"`+info.Version+`"`)
	if info.SizeBytes > maxCopyBytes {
		return b.copyInParts(ctx, target, from, version, info.SizeBytes)
	}
	_, err = b.client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: &b.name, Key: b.at(target), CopySource: from, CopySourceIfMatch: version})
	return b.explainedCopy(ctx, err, target, source)
}

// copySource returns an object as a header names it.
func (b *bucket) copySource(key string) *string {
	segments := strings.Split(b.prefix+key, "/")
	for i, s := range segments {
		segments[i] = strings.ReplaceAll(url.PathEscape(s), "+", "%2B")
	}
	return aws.String(b.name + "/" + strings.Join(segments, "/"))
}

func (b *bucket) explainedCopy(ctx context.Context, err error, target, source string) error {
	switch {
	case statusOf(err) == http.StatusNotFound && codeOf(err) != "NoSuchBucket":
		return absent(source)
	case statusOf(err) == http.StatusPreconditionFailed:
		return fault.Wrap(fault.Conflict, err, "the object %q was replaced while it was copied", source).On(fault.Service)
	}
	return explained(ctx, err, "copy to the object %q", target)
}

// copyInParts copies what is too large for one request.
func (b *bucket) copyInParts(ctx context.Context, target string, from, version *string, size int64) (err error) {
	u := &upload{bucket: b, key: target, name: rand.Text()}
	if err := u.Begin(ctx); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = u.Abort(context.WithoutCancel(ctx)) // a sweep finds what is left
		}
	}()
	copying, within := errgroup.WithContext(ctx)
	copying.SetLimit(b.cut.AtOnce)
	for index, offset := 0, int64(0); offset < size; index, offset = index+1, offset+copyPartBytes {
		copying.Go(func() error {
			number := aws.Int32(int32(index + 1)) //nolint:gosec // there are a few thousand at most
			out, err := b.client.UploadPartCopy(within, &s3.UploadPartCopyInput{
				Bucket: &b.name, Key: b.at(target), UploadId: u.id, PartNumber: number, CopySource: from, CopySourceIfMatch: version,
				CopySourceRange: aws.String(fmt.Sprintf("bytes=%d-%d", offset, min(offset+copyPartBytes, size)-1)),
			})
			if err != nil {
				return b.explainedCopy(within, err, target, target)
			}
			u.sent(index, types.CompletedPart{PartNumber: number, ETag: out.CopyPartResult.ETag})
			return nil
		})
	}
	if err := copying.Wait(); err != nil {
		return err
	}
	return u.Commit(ctx, len(u.parts))
}
