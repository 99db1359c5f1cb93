package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"time"

	gcs "cloud.google.com/go/storage"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// sendTimeout is how long what can't be sent is tried again.
const sendTimeout = 10 * time.Second

// Put implements [storage.Backend].
func (b *bucket) Put(ctx context.Context, key string, src storage.Source) error {
	return b.store(ctx, src, &upload{bucket: b, key: key, object: b.at(key)})
}

// Create implements [storage.Creator].
func (b *bucket) Create(ctx context.Context, key string, src storage.Source) error {
	return b.store(ctx, src, &upload{bucket: b, key: key, object: b.at(key).If(gcs.Conditions{DoesNotExist: true}), condition: true})
}

func (b *bucket) store(ctx context.Context, src storage.Source, u *upload) error {
	ctx, u.cancel = context.WithCancel(ctx)
	defer u.cancel()
	u.name = rand.Text()
	return b.send.Send(ctx, src, u)
}

// upload is a [transfer.Upload] of one part at a time.
type upload struct {
	*bucket
	key       string
	object    *gcs.ObjectHandle
	name      string // by which it is told from others, where an answer was lost
	condition bool
	cancel    context.CancelFunc // without which what is closed is stored

	writer *gcs.Writer
}

// Whole implements [transfer.Upload].
func (u *upload) Whole(ctx context.Context, content []byte) error {
	sum := sha256.Sum256(content)
	w := u.newWriter(ctx)
	w.Metadata[sumMetadata] = hex.EncodeToString(sum[:])
	w.ChunkSize = (len(content)/leastPart + 1) * leastPart // in one request, which can be sent again
	if _, err := io.Copy(w, bytes.NewReader(content)); err != nil {
		return explained(ctx, err, "store the object %q", u.key)
	}
	return u.ended(ctx, w.Close())
}

func (u *upload) newWriter(ctx context.Context) *gcs.Writer {
	w := u.object.NewWriter(ctx)
	w.Metadata, w.ChunkRetryDeadline = map[string]string{uploadMetadata: u.name}, sendTimeout
	return w
}

// Begin implements [transfer.Upload].
func (u *upload) Begin(ctx context.Context) error {
	u.writer = u.newWriter(ctx)
	u.writer.ChunkSize = int(u.send.PartBytes)
	return nil
}

// Part implements [transfer.Upload].
func (u *upload) Part(ctx context.Context, _ int, body io.ReadSeeker, _ int64) error {
	_, err := io.Copy(u.writer, body)
	return explained(ctx, err, "store a part of the object %q", u.key)
}

// Commit implements [transfer.Upload].
func (u *upload) Commit(ctx context.Context, _ int) error {
	return u.ended(ctx, u.writer.Close())
}

// ended returns what came of an upload. Where an answer was lost and the request sent
// again, the second answer is that something is in the way: which may be this upload.
func (u *upload) ended(ctx context.Context, err error) error {
	if !u.condition || statusOf(err) != http.StatusPreconditionFailed {
		return explained(ctx, err, "store the object %q", u.key)
	}
	if attrs, failed := u.attrs(ctx, u.key); failed == nil && attrs.Metadata[uploadMetadata] == u.name {
		return nil
	}
	return fault.Wrap(fault.Conflict, err, "there is an object %q already", u.key).On(fault.Caller)
}

// Abort implements [transfer.Upload].
func (u *upload) Abort(context.Context) error {
	u.cancel()
	_ = u.writer.Close() // it fails, as it should
	return nil
}
