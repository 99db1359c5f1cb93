package main

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/corral-fleet/corral/plugins/internal/served"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// site is a [storage.Backend] of what a web server publishes.
type site struct {
	storage.ReadOnly
	*served.Client

	mirrors []*url.URL
	index   *list // nil is none
	sums    *list // nil is none
}

var (
	_ storage.Backend    = (*site)(nil)
	_ storage.OnlyReader = (*site)(nil)
	_ storage.Checker    = (*site)(nil)
	_ storage.Addresser  = (*site)(nil)
	_ io.Closer          = (*site)(nil)
)

func open(_ context.Context, s settings) (storage.Backend, error) {
	b := &site{}
	for _, address := range s.URLs {
		u, err := url.Parse(address)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "urls has something that is no address").On(fault.Caller)
		}
		b.mirrors = append(b.mirrors, u)
	}
	header := s.authorization()
	var err error
	b.Client, err = s.New(func(by http.RoundTripper) http.RoundTripper {
		for _, u := range b.mirrors {
			by = served.Origin{URL: u, Header: header, By: by}
		}
		return by
	}, explain)
	if err != nil {
		return nil, err
	}
	b.index, b.sums = newList(b, s.Index), newList(b, s.Sums)
	return b, nil
}

func explain(answer *http.Response, what string) *fault.Error {
	switch answer.StatusCode {
	case http.StatusUnauthorized:
		return fault.New(fault.Unauthenticated, "the server wants another username and password, or another token, so the plugin can't %s", what)
	case http.StatusForbidden:
		return fault.New(fault.Forbidden, "the server does not let the plugin %s; where others may, username and password, or token, say who asks", what)
	}
	return nil
}

// Address implements [storage.Addresser].
func (b *site) Address() string { return b.mirrors[0].String() }

// at returns where a file is.
func at(mirror *url.URL, key string) string {
	u := *mirror
	u.Path, u.RawPath = u.Path+key, ""
	return u.String()
}

// anywhere does something at the first mirror that is in reach.
func (b *site) anywhere(do func(mirror *url.URL) error) (err error) {
	for _, m := range b.mirrors {
		if err = do(m); fault.KindOf(err) != fault.Unavailable && fault.KindOf(err) != fault.RateLimited {
			return err
		}
	}
	return err
}

// Stat implements [storage.Backend].
func (b *site) Stat(ctx context.Context, key string) (storage.Info, error) {
	sum, err := b.sumOf(ctx, key)
	if err != nil {
		return storage.Info{}, err
	}
	var info storage.Info
	err = b.anywhere(func(m *url.URL) (err error) {
		info, err = b.stat(ctx, m, key)
		return err
	})
	info.SHA256 = cmp.Or(sum, info.SHA256)
	return info, absent(err, key)
}

func (b *site) stat(ctx context.Context, mirror *url.URL, key string) (storage.Info, error) {
	request := served.Request{Method: http.MethodHead, URL: at(mirror, key), What: "look at the file " + strconv.Quote(key)}
	answer, err := b.Do(ctx, request)
	if fault.KindOf(err) == fault.NotImplemented { // some serve GET alone
		request.Method, request.Header = http.MethodGet, http.Header{"Range": {"bytes=0-0"}}
		answer, err = b.Do(ctx, request)
	}
	if err != nil {
		return storage.Info{}, err
	}
	defer answer.Body.Close() // nothing of it is read
	info := storage.Info{Key: key, SizeBytes: served.SizeOf(answer), Version: served.VersionOf(answer.Header).String(), SHA256: served.DigestOf(answer.Header)}
	if info.SizeBytes < 0 {
		return info, fault.New(fault.NotImplemented, "the server does not say how large the file %q is", key).On(fault.Service)
	}
	if modified, err := http.ParseTime(answer.Header.Get("Last-Modified")); err == nil {
		info.ModifiedAt = modified.UTC()
	}
	return info, nil
}

// absent says of a file that is not there which one it is.
func absent(err error, key string) error {
	if fault.KindOf(err) == fault.NotFound {
		return fault.Wrap(fault.NotFound, err, "there is no file %q", key)
	}
	return err
}

// Get implements [storage.Backend].
func (b *site) Get(ctx context.Context, key string, r storage.Range) (in io.ReadCloser, err error) {
	sum, err := b.sumOf(ctx, key)
	if err != nil {
		return nil, err
	}
	err = b.anywhere(func(m *url.URL) (err error) {
		in, err = b.Read(ctx, served.File{Key: key, URL: at(m, key), SHA256: sum, SizeBytes: -1}, r)
		return err
	})
	if err != nil {
		return nil, absent(err, key)
	}
	return in, nil
}

// sumOf returns the sha256 that a file has by the lists, "" where they have none.
func (b *site) sumOf(ctx context.Context, key string) (string, error) {
	for _, l := range []*list{b.sums, b.index} {
		if l == nil || l.key == key {
			continue
		}
		entries, err := l.entries(ctx)
		if err != nil || entries[key].SHA256 != "" {
			return entries[key].SHA256, err
		}
	}
	return "", nil
}

// Check implements [storage.Checker].
func (b *site) Check(ctx context.Context) error {
	for _, l := range []*list{b.index, b.sums} {
		if l == nil {
			continue
		}
		if _, err := l.entries(ctx); err != nil {
			return err
		}
	}
	if b.index != nil || b.sums != nil {
		return nil
	}
	return b.anywhere(func(m *url.URL) error {
		answer, err := b.Do(ctx, served.Request{Method: http.MethodHead, URL: m.String(), What: "look at " + m.Redacted()})
		switch {
		case err == nil:
			return answer.Body.Close()
		case served.StatusOf(err) >= http.StatusBadRequest && served.StatusOf(err) < http.StatusInternalServerError &&
			fault.KindOf(err) != fault.Unauthenticated && fault.KindOf(err) != fault.RateLimited:
			return nil // the folder itself need not be there
		}
		return err
	})
}
