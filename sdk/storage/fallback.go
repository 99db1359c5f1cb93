package storage

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
)

// MaxPage is the largest limit of a page.
const MaxPage = 1000

// ListPage returns a page of a backend's listing, cut out of List where the backend
// is no [Pager].
func ListPage(ctx context.Context, b Backend, r PageRequest) (Page, error) {
	if err := r.check(); err != nil {
		return Page{}, err
	}
	if pager, ok := As[Pager](b); ok {
		return pager.Page(ctx, r)
	}
	return CutPage(b.List(ctx, r.Prefix), r)
}

// CutPage returns a page of a listing that begins with the prefix of the request. It
// goes through all of it, keeps the objects of the page alone in memory, and has them
// in the order of their keys.
func CutPage(listing iter.Seq2[Info, error], r PageRequest) (Page, error) {
	after, err := cutToken(r.Token)
	if err != nil {
		return Page{}, err
	}
	var page first
	for info, err := range listing {
		if err != nil {
			return Page{}, err
		}
		e := entry{name: info.Key, info: info}
		if folder, ok := r.folder(info.Key); ok {
			e = entry{name: folder, folder: true}
		}
		if e.name > after {
			page.take(e, r.Limit+1)
		}
	}
	return page.cut(r.Limit), nil
}

func (r PageRequest) check() error {
	if r.Limit < 1 || r.Limit > MaxPage {
		return invalid("a page has 1 to %d entries, not %d", MaxPage, r.Limit)
	}
	return CheckPrefix(r.Prefix)
}

// folder returns the folder that a key is in, and false where it is none.
func (r PageRequest) folder(key string) (string, bool) {
	if !r.Folders {
		return "", false
	}
	name, _, found := strings.Cut(key[len(r.Prefix):], "/")
	return r.Prefix + name + "/", found
}

// keyToken is what a token begins with that says after which entry to go on.
const keyToken = "k:"

func cutToken(token string) (after string, err error) {
	after, ok := strings.CutPrefix(token, keyToken)
	if !ok && token != "" {
		return "", invalid("no page has told the token %q", token)
	}
	return after, nil
}

// entry is an object or a folder.
type entry struct {
	name   string
	folder bool
	info   Info
}

// first are the entries of a listing that come first, in order.
type first []entry

// take adds an entry if it is among the first so many, and not there yet.
func (f *first) take(e entry, most int) {
	at, found := slices.BinarySearchFunc(*f, e.name, func(have entry, name string) int { return strings.Compare(have.name, name) })
	if found || at == most {
		return
	}
	*f = slices.Insert(*f, at, e)
	*f = (*f)[:min(len(*f), most)]
}

// cut makes a page of so many entries, and a token where there are more.
func (f *first) cut(limit int) Page {
	var page Page
	for i, e := range *f {
		if i == limit {
			page.NextToken = keyToken + (*f)[i-1].name
			break
		}
		if e.folder {
			page.Folders = append(page.Folders, e.name)
		} else {
			page.Objects = append(page.Objects, e.info)
		}
	}
	return page
}

// CopyObject copies an object, by the backend itself where it is a [Copier].
func CopyObject(ctx context.Context, b Backend, target, source string) error {
	if copier, ok := As[Copier](b); ok {
		return copier.Copy(ctx, target, source)
	}
	info, err := b.Stat(ctx, source)
	if err != nil {
		return err
	}
	in, err := b.Get(ctx, source, Range{})
	if err != nil {
		return err
	}
	return errors.Join(b.Put(ctx, target, Once(in, info.SizeBytes)), in.Close())
}

// CheckBackend returns nil when the backend's service would serve, else what one
// would get.
func CheckBackend(ctx context.Context, b Backend) error {
	if checker, ok := As[Checker](b); ok {
		return checker.Check(ctx)
	}
	for _, err := range b.List(ctx, "") {
		return err
	}
	return nil
}
