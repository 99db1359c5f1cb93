package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/corral-fleet/corral/plugins/internal/served"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// How large a list may be, for how long it is taken for true, and at how many of its
// files is looked at once.
const (
	maxListBytes = 16 << 20
	listAge      = time.Minute
	looksAtOnce  = 8
)

// List implements [storage.Backend].
func (b *site) List(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		entries, err := b.listed(ctx)
		if err != nil {
			yield(storage.Info{}, err)
			return
		}
		var keys []string
		for _, key := range slices.Sorted(maps.Keys(entries)) {
			if strings.HasPrefix(key, prefix) {
				keys = append(keys, key)
			}
		}
		for some := range slices.Chunk(keys, looksAtOnce) {
			for info, err := range b.look(ctx, some, entries) {
				if !yield(info, err) || err != nil {
					return
				}
			}
		}
	}
}

// listed returns what there is by the index and the sums.
func (b *site) listed(ctx context.Context) (map[string]entry, error) {
	if b.index == nil && b.sums == nil {
		return nil, fault.New(fault.NotImplemented, "a web server does not say which files it has; index or sums may name a file that does, and a file can be read by its path without").On(fault.Caller)
	}
	all := map[string]entry{}
	for _, l := range []*list{b.sums, b.index} {
		if l == nil {
			continue
		}
		entries, err := l.entries(ctx)
		if err != nil {
			return nil, err
		}
		if l == b.sums && b.index != nil {
			continue // it has digests of what the index has
		}
		maps.Copy(all, entries)
	}
	return all, ctx.Err()
}

// look yields what is known of files, those that are not there left out.
func (b *site) look(ctx context.Context, keys []string, entries map[string]entry) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		infos := make([]storage.Info, len(keys))
		looking, within := errgroup.WithContext(ctx)
		for i, key := range keys {
			looking.Go(func() error {
				if e := entries[key]; e.known && e.SHA256 != "" {
					infos[i] = storage.Info{Key: key, SizeBytes: e.SizeBytes, SHA256: e.SHA256}
					return nil
				}
				info, err := b.Stat(within, key)
				if fault.KindOf(err) == fault.NotFound {
					return nil
				}
				infos[i] = info
				return err
			})
		}
		if err := looking.Wait(); err != nil {
			yield(storage.Info{}, err)
			return
		}
		for _, info := range infos {
			if info.Key != "" && !yield(info, nil) {
				return
			}
		}
	}
}

// list is a file that says of others what they are.
type list struct {
	site *site
	key  string

	turn chan struct{} // whose turn it is has taken what is in it
	read map[string]entry
	at   time.Time // when it was
}

// newList returns the list that a file of a site is, nil for no file.
func newList(b *site, key string) *list {
	if key == "" {
		return nil
	}
	l := &list{site: b, key: key, turn: make(chan struct{}, 1)}
	l.turn <- struct{}{}
	return l
}

// entry is what a list says of a file.
type entry struct {
	SizeBytes int64
	known     bool // the size is
	SHA256    string
}

// entries returns what the list has.
func (l *list) entries(ctx context.Context) (map[string]entry, error) {
	select {
	case <-l.turn:
		defer func() { l.turn <- struct{}{} }()
	case <-ctx.Done():
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if l.read != nil && time.Since(l.at) < listAge {
		return l.read, nil
	}
	var text []byte
	err := l.site.anywhere(func(m *url.URL) (err error) {
		text, _, err = l.site.Bytes(ctx, served.Request{URL: at(m, l.key), What: "read the list " + strconv.Quote(l.key)}, maxListBytes)
		return err
	})
	if fault.KindOf(err) == fault.NotFound {
		return nil, fault.Wrap(fault.Unavailable, err, "the list %q is not there", l.key).On(fault.Service)
	}
	if err != nil {
		return nil, err
	}
	entries, err := parse(text)
	if err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "the list %q is neither lines nor JSON as it should be", l.key).On(fault.Service)
	}
	l.read, l.at = entries, time.Now()
	return entries, nil
}

// parse reads a list: JSON, or lines.
func parse(text []byte) (map[string]entry, error) {
	if text = bytes.TrimSpace(text); len(text) > 0 && (text[0] == '[' || text[0] == '{') {
		return parseJSON(text)
	}
	return parseLines(text)
}

// parseLines reads a path a line, or what sha256sum writes.
func parseLines(text []byte) (map[string]entry, error) {
	all := map[string]entry{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		path, e := strings.TrimRight(lines.Text(), "\r"), entry{}
		if sum, name, ok := strings.Cut(path, " "); ok && served.CheckSHA256(strings.ToLower(sum)) && len(name) > 1 && (name[0] == ' ' || name[0] == '*') {
			path, e.SHA256 = name[1:], strings.ToLower(sum)
		}
		if !strings.HasPrefix(path, "#") {
			add(all, path, e)
		}
	}
	return all, lines.Err()
}

// listedFile is a file in a list that is JSON: a path, or an object.
type listedFile struct {
	Path   string `json:"path"`
	Name   string `json:"name"` // in place of a path
	Size   *int64 `json:"size"`
	SHA256 string `json:"sha256"`
}

// UnmarshalJSON implements [json.Unmarshaler].
func (f *listedFile) UnmarshalJSON(text []byte) error {
	if text[0] == '"' {
		return json.Unmarshal(text, &f.Path)
	}
	type plain listedFile
	return json.Unmarshal(text, (*plain)(f))
}

func parseJSON(text []byte) (map[string]entry, error) {
	var list struct {
		Files []listedFile `json:"files"`
	}
	into := any(&list)
	if text[0] == '[' {
		into = &list.Files
	}
	if err := json.Unmarshal(text, into); err != nil {
		return nil, err
	}
	all := map[string]entry{}
	for _, f := range list.Files {
		e := entry{}
		if f.Size != nil && *f.Size >= 0 {
			e.SizeBytes, e.known = *f.Size, true
		}
		if sum := strings.ToLower(f.SHA256); served.CheckSHA256(sum) {
			e.SHA256 = sum
		}
		add(all, f.Path+f.Name, e)
	}
	return all, nil
}

// add adds a file whose path is a key.
func add(all map[string]entry, path string, e entry) {
	if path = strings.TrimPrefix(path, "./"); storage.CheckKey(path) == nil {
		all[path] = e
	}
}
