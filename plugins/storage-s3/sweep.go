package main

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Sweep implements [storage.Sweeper]. What an upload leaves are parts, which are paid
// for and which nobody sees.
func (b *bucket) Sweep(ctx context.Context, age time.Duration) (int, error) {
	before := time.Now().Add(-age)
	swept := 0
	pages := s3.NewListMultipartUploadsPaginator(b.client, &s3.ListMultipartUploadsInput{Bucket: &b.name, Prefix: &b.prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return swept, explained(ctx, err, "look at what uploads have left")
		}
		for _, u := range page.Uploads {
			went, err := b.wentOn(ctx, u, before)
			if err != nil {
				return swept, err
			}
			if went {
				continue
			}
			if err := b.abort(ctx, u.Key, u.UploadId); err != nil {
				return swept, err
			}
			swept++
		}
	}
	return swept, nil
}

// wentOn reports whether an upload began, or got a part, at a time or later.
func (b *bucket) wentOn(ctx context.Context, u types.MultipartUpload, since time.Time) (bool, error) {
	if aws.ToTime(u.Initiated).After(since) {
		return true, nil
	}
	pages := s3.NewListPartsPaginator(b.client, &s3.ListPartsInput{Bucket: &b.name, Key: u.Key, UploadId: u.UploadId})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if codeOf(err) == noSuchUpload { // it has ended just now
			return true, nil
		}
		if err != nil {
			return false, explained(ctx, err, "look at what an upload has left")
		}
		for _, p := range page.Parts {
			if aws.ToTime(p.LastModified).After(since) {
				return true, nil
			}
		}
	}
	return false, nil
}
