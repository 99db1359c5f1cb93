package main

import (
	"context"
	"iter"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// List implements [storage.Backend].
func (b *bucket) List(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		in := &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: b.at(prefix)}
		for {
			out, err := b.client.ListObjectsV2(ctx, in)
			if err != nil {
				yield(storage.Info{}, explained(ctx, err, "list the bucket %s", b.name))
				return
			}
			for _, o := range out.Contents {
				if info, ok := b.infoOf(o); ok && !yield(info, nil) {
					return
				}
			}
			if !aws.ToBool(out.IsTruncated) {
				return
			}
			if in.ContinuationToken = out.NextContinuationToken; aws.ToString(in.ContinuationToken) == "" {
				yield(storage.Info{}, fault.New(fault.Internal, "the service does not say how its listing goes on").On(fault.Service))
				return
			}
		}
	}
}

// serviceToken is what a token begins with that is the service's own.
const serviceToken = "s3:"

// Page implements [storage.Pager].
func (b *bucket) Page(ctx context.Context, r storage.PageRequest) (storage.Page, error) {
	in := &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: b.at(r.Prefix), MaxKeys: aws.Int32(int32(r.Limit))} //nolint:gosec // it is at most 1000
	if r.Folders {
		in.Delimiter = aws.String("/")
	}
	if r.Token != "" {
		token, ok := strings.CutPrefix(r.Token, serviceToken)
		if !ok {
			return storage.Page{}, fault.New(fault.Invalid, "no page has told the token %q", r.Token).On(fault.Caller)
		}
		in.ContinuationToken = &token
	}
	out, err := b.client.ListObjectsV2(ctx, in)
	if err != nil {
		return storage.Page{}, explained(ctx, err, "list the bucket %s", b.name)
	}
	var page storage.Page
	for _, o := range out.Contents {
		if info, ok := b.infoOf(o); ok {
			page.Objects = append(page.Objects, info)
		}
	}
	for _, p := range out.CommonPrefixes {
		folder, ok := strings.CutPrefix(aws.ToString(p.Prefix), b.prefix)
		if ok && storage.CheckPrefix(folder) == nil {
			page.Folders = append(page.Folders, folder)
		}
	}
	if aws.ToBool(out.IsTruncated) {
		page.NextToken = serviceToken + aws.ToString(out.NextContinuationToken)
	}
	return page, nil
}
