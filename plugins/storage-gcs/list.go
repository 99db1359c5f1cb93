package main

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"

	gcs "cloud.google.com/go/storage"
	"google.golang.org/api/iterator"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// List implements [storage.Backend].
func (b *bucket) List(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		objects := b.bucket.Objects(ctx, &gcs.Query{Prefix: b.prefix + prefix, Projection: gcs.ProjectionNoACL})
		for {
			attrs, err := objects.Next()
			if errors.Is(err, iterator.Done) {
				return
			}
			if err != nil {
				yield(storage.Info{}, explained(ctx, err, "list the bucket %s", b.name))
				return
			}
			if key, ok := b.keyOf(attrs.Name); ok && !yield(infoOf(key, attrs), nil) {
				return
			}
		}
	}
}

// pageToken is what a token begins with. The rest is the name from which on the next
// page goes.
const pageToken = "gs:"

// Page implements [storage.Pager].
func (b *bucket) Page(ctx context.Context, r storage.PageRequest) (storage.Page, error) {
	from, ok := strings.CutPrefix(r.Token, pageToken)
	if !ok && r.Token != "" {
		return storage.Page{}, fault.New(fault.Invalid, "no page has told the token %q", r.Token).On(fault.Caller)
	}
	query := &gcs.Query{Prefix: b.prefix + r.Prefix, StartOffset: from, Projection: gcs.ProjectionNoACL}
	if r.Folders {
		query.Delimiter = "/"
	}
	var found []*gcs.ObjectAttrs
	more, err := iterator.NewPager(b.bucket.Objects(ctx, query), r.Limit, "").NextPage(&found)
	if err != nil {
		return storage.Page{}, explained(ctx, err, "list the bucket %s", b.name)
	}
	slices.SortFunc(found, func(a, b *gcs.ObjectAttrs) int { return strings.Compare(a.Prefix+a.Name, b.Prefix+b.Name) })
	var page storage.Page
	if more != "" || len(found) > r.Limit { // an emulator does not count folders
		found = found[:min(len(found), r.Limit)]
		page.NextToken = pageToken + following(found[len(found)-1])
	}
	for _, attrs := range found {
		if attrs.Prefix != "" {
			if folder, ok := strings.CutPrefix(attrs.Prefix, b.prefix); ok && storage.CheckPrefix(folder) == nil {
				page.Folders = append(page.Folders, folder)
			}
			continue
		}
		if key, ok := b.keyOf(attrs.Name); ok {
			page.Objects = append(page.Objects, infoOf(key, attrs))
		}
	}
	return page, nil
}

// following returns the first name that is neither that of an object nor in a folder.
func following(attrs *gcs.ObjectAttrs) string {
	if folder, ok := strings.CutSuffix(attrs.Prefix, "/"); ok {
		return folder + "0" // which follows the slash
	}
	return attrs.Name + " " // the smallest that a name can go on with
}
