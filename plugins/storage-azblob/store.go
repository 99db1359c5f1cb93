package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// Put implements [storage.Backend].
func (b *blobs) Put(ctx context.Context, key string, src storage.Source) error {
	return b.cut.Send(ctx, src, &upload{blobs: b, key: key, name: rand.Text()})
}

// Create implements [storage.Creator].
func (b *blobs) Create(ctx context.Context, key string, src storage.Source) error {
	return b.cut.Send(ctx, src, &upload{blobs: b, key: key, name: rand.Text(), condition: to.Ptr(azcore.ETagAny)})
}

// upload is a [transfer.Upload].
type upload struct {
	*blobs
	key       string
	name      string       // by which it is told from others
	condition *azcore.ETag // of If-None-Match
}

func (u *upload) conditions() *blob.AccessConditions {
	return &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: u.condition}}
}

// Whole implements [transfer.Upload].
func (u *upload) Whole(ctx context.Context, content []byte) error {
	sum := sha256.Sum256(content)
	_, err := u.at(u.key).Upload(ctx, streaming.NopCloser(bytes.NewReader(content)), &blockblob.UploadOptions{
		AccessConditions: u.conditions(),
		Metadata:         map[string]*string{sumMetadata: new(hex.EncodeToString(sum[:])), uploadMetadata: &u.name},
	})
	return u.ended(ctx, err)
}

// Begin implements [transfer.Upload].
func (*upload) Begin(context.Context) error { return nil }

// block returns the name of a part. All of an object have to be of one length.
func (u *upload) block(index int) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s-%06d", u.name, index))
}

// Part implements [transfer.Upload].
func (u *upload) Part(ctx context.Context, index int, body io.ReadSeeker, _ int64) error {
	_, err := u.at(u.key).StageBlock(ctx, u.block(index), streaming.NopCloser(body), nil)
	return explained(ctx, err, "store a part of the object %q", u.key)
}

// Commit implements [transfer.Upload].
func (u *upload) Commit(ctx context.Context, parts int) error {
	blocks := make([]string, parts)
	for i := range blocks {
		blocks[i] = u.block(i)
	}
	_, err := u.at(u.key).CommitBlockList(ctx, blocks, &blockblob.CommitBlockListOptions{
		AccessConditions: u.conditions(), Metadata: map[string]*string{uploadMetadata: &u.name},
	})
	return u.ended(ctx, err)
}

// ended returns what came of an upload. Where an answer was lost and the request sent
// again, the second answer is that something is in the way: which may be this upload.
func (u *upload) ended(ctx context.Context, err error) error {
	status := statusOf(err)
	inTheWay := u.condition != nil && (status == http.StatusPreconditionFailed || status == http.StatusConflict)
	if !inTheWay && status != http.StatusBadRequest {
		return explained(ctx, err, "store the object %q", u.key)
	}
	out, failed := u.properties(ctx, u.key)
	switch {
	case failed == nil && metadata(out.Metadata, uploadMetadata) == u.name:
		return nil
	case inTheWay:
		return fault.Wrap(fault.Conflict, err, "there is an object %q already", u.key).On(fault.Caller)
	}
	return explained(ctx, err, "store the object %q", u.key)
}

// Abort implements [transfer.Upload]: there is nothing that could be removed before the
// service does.
func (*upload) Abort(context.Context) error { return nil }
