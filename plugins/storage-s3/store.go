package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// Put implements [storage.Backend].
func (b *bucket) Put(ctx context.Context, key string, src storage.Source) error {
	return b.cut.Send(ctx, src, &upload{bucket: b, key: key, name: rand.Text()})
}

// Create implements [storage.Creator].
func (b *bucket) Create(ctx context.Context, key string, src storage.Source) error {
	return b.cut.Send(ctx, src, &upload{bucket: b, key: key, name: rand.Text(), condition: aws.String("*")})
}

// upload is a [transfer.Upload].
type upload struct {
	*bucket
	key       string
	name      string  // by which it is told from others, where an answer was lost
	condition *string // of If-None-Match

	id    *string
	mu    sync.Mutex
	parts []types.CompletedPart
}

// Whole implements [transfer.Upload].
func (u *upload) Whole(ctx context.Context, content []byte) error {
	sum := sha256.Sum256(content)
	_, err := u.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &u.bucket.name, Key: u.at(u.key), Body: bytes.NewReader(content), ContentLength: aws.Int64(int64(len(content))), IfNoneMatch: u.condition,
		Metadata: map[string]string{sumMetadata: hex.EncodeToString(sum[:]), uploadMetadata: u.name},
	})
	return u.ended(ctx, err)
}

// Begin implements [transfer.Upload].
func (u *upload) Begin(ctx context.Context) error {
	out, err := u.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: &u.bucket.name, Key: u.at(u.key), Metadata: map[string]string{uploadMetadata: u.name},
	})
	if err != nil {
		return explained(ctx, err, "store the object %q", u.key)
	}
	u.id = out.UploadId
	return nil
}

// Part implements [transfer.Upload].
func (u *upload) Part(ctx context.Context, index int, body io.ReadSeeker, sizeBytes int64) error {
	number := aws.Int32(int32(index + 1)) //nolint:gosec // it is at most maxParts
	out, err := u.client.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: &u.bucket.name, Key: u.at(u.key), UploadId: u.id, PartNumber: number, Body: body, ContentLength: &sizeBytes,
	})
	if err != nil {
		return explained(ctx, err, "store a part of the object %q", u.key)
	}
	u.sent(index, types.CompletedPart{
		PartNumber: number, ETag: out.ETag,
		ChecksumCRC32: out.ChecksumCRC32, ChecksumCRC32C: out.ChecksumCRC32C, ChecksumCRC64NVME: out.ChecksumCRC64NVME, ChecksumSHA1: out.ChecksumSHA1, ChecksumSHA256: out.ChecksumSHA256,
	})
	return nil
}

// sent notes a part that the service has.
func (u *upload) sent(index int, part types.CompletedPart) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for len(u.parts) <= index {
		u.parts = append(u.parts, types.CompletedPart{})
	}
	u.parts[index] = part
}

// Commit implements [transfer.Upload].
func (u *upload) Commit(ctx context.Context, _ int) error {
	_, err := u.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &u.bucket.name, Key: u.at(u.key), UploadId: u.id, IfNoneMatch: u.condition, MultipartUpload: &types.CompletedMultipartUpload{Parts: u.parts},
	})
	return u.ended(ctx, err)
}

// ended returns what came of an upload. Where an answer was lost and the request sent
// again, the second answer is that something is in the way: which may be this upload.
func (u *upload) ended(ctx context.Context, err error) error {
	inTheWay := codeOf(err) == noSuchUpload || u.condition != nil && (statusOf(err) == http.StatusPreconditionFailed || statusOf(err) == http.StatusConflict)
	if !inTheWay {
		return explained(ctx, err, "store the object %q", u.key)
	}
	out, failed := u.head(ctx, u.key)
	switch {
	case failed == nil && out.Metadata[uploadMetadata] == u.name:
		return nil
	case codeOf(err) == noSuchUpload:
		return fault.Wrap(fault.Unavailable, err, "the upload of the object %q was swept up", u.key).On(fault.Service)
	}
	return fault.Wrap(fault.Conflict, err, "there is an object %q already", u.key).On(fault.Caller)
}

// Abort implements [transfer.Upload].
func (u *upload) Abort(ctx context.Context) error {
	return u.abort(ctx, u.at(u.key), u.id)
}

func (b *bucket) abort(ctx context.Context, at, id *string) error {
	_, err := b.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &b.name, Key: at, UploadId: id})
	if codeOf(err) == noSuchUpload {
		return nil
	}
	return explained(ctx, err, "give up an upload")
}
