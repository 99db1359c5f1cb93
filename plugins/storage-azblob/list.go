package main

import (
	"context"
	"iter"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// List implements [storage.Backend].
func (b *blobs) List(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		begin := beginOf(b.prefix + prefix)
		pages := b.client.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: &begin})
		for pages.More() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(storage.Info{}, explained(ctx, err, "list the container %s", b.container))
				return
			}
			for _, item := range page.Segment.BlobItems {
				if info, ok := b.listed(item, prefix); ok && !yield(info, nil) {
					return
				}
			}
		}
	}
}

// listed returns what a listing tells of an object, and false where it is none of ours.
func (b *blobs) listed(item *container.BlobItem, prefix string) (storage.Info, bool) {
	key, ok := b.ours(item.Name, prefix)
	if !ok || item.Properties == nil || storage.CheckKey(key) != nil {
		return storage.Info{}, false
	}
	return infoOf(key, item.Properties.ContentLength, item.Properties.LastModified, item.Properties.ETag, ""), true
}

// ours returns the key of a name, and false where it does not begin with the prefix.
func (b *blobs) ours(name *string, prefix string) (string, bool) {
	if name == nil {
		return "", false
	}
	key, ok := keyOf(*name)
	if !ok || !strings.HasPrefix(key, b.prefix+prefix) {
		return "", false
	}
	return key[len(b.prefix):], true
}

// serviceToken is what a token begins with that is the service's own.
const serviceToken = "az:"

// Page implements [storage.Pager].
func (b *blobs) Page(ctx context.Context, r storage.PageRequest) (storage.Page, error) {
	begin, limit := beginOf(b.prefix+r.Prefix), new(int32(r.Limit)) //nolint:gosec // it is at most 1000
	var marker *string
	if r.Token != "" {
		token, ok := strings.CutPrefix(r.Token, serviceToken)
		if !ok {
			return storage.Page{}, fault.New(fault.Invalid, "no page has told the token %q", r.Token).On(fault.Caller)
		}
		marker = &token
	}
	items, folders, next, err := b.page(ctx, begin, limit, marker, r.Folders)
	if err != nil {
		return storage.Page{}, explained(ctx, err, "list the container %s", b.container)
	}
	var page storage.Page
	for _, item := range items {
		if info, ok := b.listed(item, r.Prefix); ok {
			page.Objects = append(page.Objects, info)
		}
	}
	for _, folder := range folders {
		if key, ok := b.ours(folder.Name, r.Prefix); ok && storage.CheckPrefix(key) == nil {
			page.Folders = append(page.Folders, key)
		}
	}
	if next != nil && *next != "" {
		page.NextToken = serviceToken + *next
	}
	return page, nil
}

// page asks for a page, with folders or without.
func (b *blobs) page(ctx context.Context, begin string, limit *int32, marker *string, folders bool) ([]*container.BlobItem, []*container.BlobPrefix, *string, error) {
	if !folders {
		out, err := b.client.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: &begin, MaxResults: limit, Marker: marker}).NextPage(ctx)
		if err != nil {
			return nil, nil, nil, err
		}
		return out.Segment.BlobItems, nil, out.NextMarker, nil
	}
	out, err := b.client.NewListBlobsHierarchyPager("/", &container.ListBlobsHierarchyOptions{Prefix: &begin, MaxResults: limit, Marker: marker}).NextPage(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	return out.Segment.BlobItems, out.Segment.BlobPrefixes, out.NextMarker, nil
}
