package main

import (
	"context"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/corral-fleet/corral/plugins/internal/served"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// hub is a [storage.Backend] of repositories: org/repo@revision/path, where a revision
// that is left out is main, and one with slashes in it has them as %2F.
//
// A branch moves. So that the files of one model are of one commit, what a revision is
// is looked up when it is listed, and stays so until it is listed again.
type hub struct {
	storage.ReadOnly
	*served.Client

	endpoint string // without a slash at its end
	address  string
	knows    bool // who asks, by a token

	mu        sync.Mutex
	snapshots map[string]*snapshot // by their folders; those in it are never changed
}

var (
	_ storage.Backend    = (*hub)(nil)
	_ storage.OnlyReader = (*hub)(nil)
	_ storage.Presigner  = (*hub)(nil)
	_ storage.Checker    = (*hub)(nil)
	_ storage.Addresser  = (*hub)(nil)
	_ io.Closer          = (*hub)(nil)
)

func open(_ context.Context, s settings) (storage.Backend, error) {
	h := &hub{endpoint: strings.TrimRight(s.Endpoint, "/"), address: "hf://", knows: s.Token.IsSet(), snapshots: map[string]*snapshot{}}
	at, err := url.Parse(h.endpoint)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "endpoint is no address").On(fault.Caller)
	}
	if h.endpoint != hugging {
		h.address = "hf://" + at.Host + at.Path + "/"
	}
	header := http.Header{}
	if h.knows {
		header.Set("Authorization", "Bearer "+s.Token.Reveal())
	}
	h.Client, err = s.New(func(by http.RoundTripper) http.RoundTripper {
		return served.Origin{URL: at, Header: header, By: by}
	}, h.explain)
	if err != nil {
		return nil, err
	}
	return h, nil
}

// Address implements [storage.Addresser].
func (h *hub) Address() string { return h.address }

// Stat implements [storage.Backend].
func (h *hub) Stat(ctx context.Context, key string) (storage.Info, error) {
	info, _, err := h.find(ctx, key)
	return info, err
}

// find returns what is known of a file, and where it is.
func (h *hub) find(ctx context.Context, key string) (storage.Info, served.File, error) {
	r, path, ok := split(key)
	if !ok {
		return storage.Info{}, served.File{}, served.OrEnded(ctx, fault.New(fault.NotFound, "there is no file %q: a key is org/repo@revision/path", key))
	}
	s, err := h.snapshot(ctx, r)
	if err != nil {
		return storage.Info{}, served.File{}, err
	}
	info, ok := s.files[path]
	if !ok {
		return storage.Info{}, served.File{}, fault.New(fault.NotFound, "there is no file %q in commit %s", key, s.commit)
	}
	return info, served.File{
		Key: key, URL: h.endpoint + "/" + s.repo + "/resolve/" + s.commit + "/" + escaped(path), SizeBytes: info.SizeBytes, SHA256: info.SHA256, Fixed: true,
	}, nil
}

// Get implements [storage.Backend].
func (h *hub) Get(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
	_, file, err := h.find(ctx, key)
	if err != nil {
		return nil, err
	}
	return h.Read(ctx, file, r)
}

// List implements [storage.Backend].
func (h *hub) List(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		r, path, ok := split(prefix)
		if !ok {
			yield(storage.Info{}, served.OrEnded(ctx, fault.New(fault.NotImplemented, "a hub has more than can be listed; name a repository and a slash behind it, such as org/repo/ or org/repo@revision/").On(fault.Caller)))
			return
		}
		s, err := h.take(ctx, r)
		if err != nil {
			yield(storage.Info{}, err)
			return
		}
		served.Listing(ctx, s.files, path)(yield)
	}
}

// PresignGet implements [storage.Presigner]: where the hub sends on to, or its own
// address of a file where everybody may read that.
func (h *hub) PresignGet(ctx context.Context, key string, ttl time.Duration) (storage.Presigned, error) {
	_, file, err := h.find(ctx, key)
	if err != nil {
		return storage.Presigned{}, err
	}
	signed, ok, err := h.Presign(ctx, file, ttl)
	switch {
	case err != nil || ok:
		return signed, err
	case h.knows:
		return storage.Presigned{}, fault.New(fault.NotImplemented, "the hub gives out the file %q to nobody without a token", key).On(fault.Service)
	}
	return storage.Presigned{URL: file.URL, ExpiresAt: time.Now().Add(ttl)}, nil
}

// Check implements [storage.Checker].
func (h *hub) Check(ctx context.Context) error {
	at := h.endpoint + "/"
	if h.knows {
		at = h.endpoint + "/api/whoami-v2"
	}
	answer, err := h.Do(ctx, served.Request{Method: http.MethodGet, URL: at, What: "look at the hub"})
	if served.StatusOf(err) == http.StatusNotFound {
		return nil // a mirror need not know who asks
	}
	if err != nil {
		return err
	}
	return answer.Body.Close()
}
