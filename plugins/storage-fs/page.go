package main

import (
	"context"
	"slices"
	"strings"

	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// keyToken is what a token begins with that says after which entry to go on.
const keyToken = "k:"

// Page implements [storage.Pager]. It goes through all names for each page, keeps those
// of the page alone, and looks at no other file. Names are in the order of their bytes, since a
// directory has none that lasts.
func (d *directory) Page(ctx context.Context, r storage.PageRequest) (storage.Page, error) {
	after, ok := strings.CutPrefix(r.Token, keyToken)
	if !ok && r.Token != "" {
		return storage.Page{}, fault.New(fault.Invalid, "no page has told the token %q", r.Token).On(fault.Caller)
	}
	names := window{after: after, most: r.Limit, folders: r.Folders}
	if err := d.walk(ctx, r.Prefix, &names); err != nil {
		return storage.Page{}, err
	}
	found, more := names.cut()
	var page storage.Page
	if more {
		page.NextToken = keyToken + found[len(found)-1]
	}
	for _, name := range found {
		if strings.HasSuffix(name, "/") {
			page.Folders = append(page.Folders, name)
			continue
		}
		info, err := d.Stat(ctx, name)
		switch {
		case err == nil:
			page.Objects = append(page.Objects, info)
		case fault.KindOf(err) != fault.NotFound: // deleted a moment ago
			return storage.Page{}, err
		}
	}
	return page, nil
}

// window keeps the first so many names after one, however many it is shown.
type window struct {
	after   string
	most    int
	folders bool // are kept as such, and not entered

	names []string // at times several times as many
	bound string   // what comes after it isn't wanted; "" is none
}

// windowTimes is how many times too many names are kept before they are sorted.
const windowTimes = 4

func (w *window) wants(folder string, name []byte) bool {
	if w.bound != "" && compare(folder, name, w.bound) > 0 {
		return false
	}
	if compare(folder, name, w.after) > 0 {
		return true
	}
	// A folder that comes before has what comes after, if that is in there.
	return !w.folders && name[len(name)-1] == '/' && strings.HasPrefix(w.after, folder) && strings.HasPrefix(w.after[len(folder):], string(name))
}

// compare compares a name in a folder with another, without putting it together.
func compare(folder string, name []byte, with string) int {
	rest, ok := strings.CutPrefix(with, folder)
	if !ok {
		return strings.Compare(folder, with)
	}
	switch {
	case string(name) < rest:
		return -1
	case string(name) > rest:
		return 1
	}
	return 0
}

func (w *window) visit(key string) error {
	w.take(key)
	return nil
}

func (w *window) enter(folder string) bool {
	if w.folders {
		w.take(folder)
	}
	return !w.folders
}

func (w *window) take(name string) {
	w.names = append(w.names, name)
	if len(w.names) >= windowTimes*(w.most+1) {
		w.sort()
	}
}

// sort keeps the names that are wanted, and one more, which says that there are.
func (w *window) sort() {
	slices.Sort(w.names)
	if len(w.names) > w.most+1 {
		clear(w.names[w.most+1:])
		w.names = w.names[:w.most+1]
		w.bound = w.names[w.most]
	}
}

// cut returns the names, and whether there are more.
func (w *window) cut() (names []string, more bool) {
	w.sort()
	return w.names[:min(len(w.names), w.most)], len(w.names) > w.most
}
