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

// registry is a [storage.Backend] of models: name:tag/file, or name@digest/file, where a
// file is the manifest, the configuration or a layer.
//
// A tag moves. So that the files of a model belong together, what a tag is is looked up
// when it is listed, and stays so until it is listed again.
type registry struct {
	storage.ReadOnly
	*served.Client

	endpoint string // without a slash at its end
	address  string
	names    bool // who asks

	mu     sync.Mutex
	models map[string]*model // by their folders; those in it are never changed
}

var (
	_ storage.Backend    = (*registry)(nil)
	_ storage.OnlyReader = (*registry)(nil)
	_ storage.Presigner  = (*registry)(nil)
	_ storage.Checker    = (*registry)(nil)
	_ storage.Addresser  = (*registry)(nil)
	_ io.Closer          = (*registry)(nil)
)

// maxModels is how many manifests are kept.
const maxModels = 64

func open(_ context.Context, s settings) (storage.Backend, error) {
	g := &registry{endpoint: strings.TrimRight(s.Endpoint, "/"), names: s.Username != "", models: map[string]*model{}}
	at, err := url.Parse(g.endpoint)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "endpoint is no address").On(fault.Caller)
	}
	g.address = "registry://" + at.Host + at.Path + "/"
	g.Client, err = s.New(func(by http.RoundTripper) http.RoundTripper {
		return &authorizer{registry: at, username: s.Username, password: s.Password, by: by, granted: map[string]string{}}
	}, g.explain)
	if err != nil {
		return nil, err
	}
	return g, nil
}

// explain says what the registry's errors mean, and what is to be done.
func (g *registry) explain(answer *http.Response, what string) *fault.Error {
	switch {
	case answer.StatusCode == http.StatusUnauthorized && g.names:
		return fault.New(fault.Unauthenticated, "username or password is wrong, or its owner may not see the model, so the plugin can't %s", what)
	case answer.StatusCode == http.StatusUnauthorized:
		return fault.New(fault.Unauthenticated, "there is no such model, or it is not everybody's, so the plugin can't %s: username and password say who asks", what)
	case answer.StatusCode == http.StatusForbidden:
		return fault.New(fault.Forbidden, "the registry does not let the plugin %s; username and password say who asks", what)
	case answer.StatusCode == http.StatusNotFound:
		return fault.New(fault.NotFound, "the registry has no such model, so the plugin can't %s", what)
	}
	return nil
}

// Address implements [storage.Addresser].
func (g *registry) Address() string { return g.address }

// model returns what a reference was when it was listed last, or is where it never was.
func (g *registry) model(ctx context.Context, r reference) (*model, error) {
	g.mu.Lock()
	m := g.models[r.folder]
	g.mu.Unlock()
	if m != nil {
		return m, ctx.Err()
	}
	return g.take(ctx, r)
}

// take finds out what a reference is now.
func (g *registry) take(ctx context.Context, r reference) (*model, error) {
	g.mu.Lock()
	m := g.models[r.folder]
	g.mu.Unlock()
	if m != nil && r.isFixed() {
		return m, ctx.Err()
	}
	m, err := g.fetch(ctx, r)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.models) >= maxModels {
		clear(g.models)
	}
	g.models[r.folder] = m
	return m, nil
}

// find returns the model that a file is of, and what is known of the file.
func (g *registry) find(ctx context.Context, key string) (*model, storage.Info, error) {
	r, path, ok := split(key)
	if !ok {
		return nil, storage.Info{}, served.OrEnded(ctx, fault.New(fault.NotFound, "there is no file %q: a key is name:tag/file", key))
	}
	m, err := g.model(ctx, r)
	if err != nil {
		return nil, storage.Info{}, err
	}
	info, ok := m.files[path]
	if !ok {
		return nil, storage.Info{}, fault.New(fault.NotFound, "there is no file %q", key)
	}
	return m, info, nil
}

// blob returns where a file is, false for the manifest, which is here.
func (g *registry) blob(m *model, info storage.Info) (served.File, bool) {
	if strings.HasSuffix(info.Key, "/"+manifestFile) && info.SHA256 == m.files[manifestFile].SHA256 {
		return served.File{}, false
	}
	return served.File{
		Key: info.Key, URL: g.endpoint + "/v2/" + m.repo + "/blobs/" + digestPrefix + info.SHA256, SizeBytes: info.SizeBytes, SHA256: info.SHA256, Fixed: true,
	}, true
}

// Stat implements [storage.Backend].
func (g *registry) Stat(ctx context.Context, key string) (storage.Info, error) {
	_, info, err := g.find(ctx, key)
	return info, err
}

// Get implements [storage.Backend].
func (g *registry) Get(ctx context.Context, key string, r storage.Range) (io.ReadCloser, error) {
	m, info, err := g.find(ctx, key)
	if err != nil {
		return nil, err
	}
	if blob, is := g.blob(m, info); is {
		return g.Read(ctx, blob, r)
	}
	offset, length, err := r.Of(info.SizeBytes)
	if err != nil {
		return nil, err
	}
	return storage.Bytes(m.manifest[offset : offset+length]).Open()
}

// List implements [storage.Backend].
func (g *registry) List(ctx context.Context, prefix string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		r, path, ok := split(prefix)
		if !ok {
			yield(storage.Info{}, served.OrEnded(ctx, fault.New(fault.NotImplemented, "a registry does not say which models it has; name one and a slash behind it, such as library/llama3:8b/").On(fault.Caller)))
			return
		}
		m, err := g.take(ctx, r)
		if err != nil {
			yield(storage.Info{}, err)
			return
		}
		served.Listing(ctx, m.files, path)(yield)
	}
}

// PresignGet implements [storage.Presigner], for blobs that the registry sends on for.
func (g *registry) PresignGet(ctx context.Context, key string, ttl time.Duration) (storage.Presigned, error) {
	m, info, err := g.find(ctx, key)
	if err != nil {
		return storage.Presigned{}, err
	}
	if blob, is := g.blob(m, info); is {
		if signed, ok, err := g.Presign(ctx, blob, ttl); err != nil || ok {
			return signed, err
		}
	}
	return storage.Presigned{}, fault.New(fault.NotImplemented, "the registry has no address of the file %q for others", key).On(fault.Service)
}

// Check implements [storage.Checker].
func (g *registry) Check(ctx context.Context) error {
	answer, err := g.Do(ctx, served.Request{URL: g.endpoint + "/v2/", What: "look at the registry"})
	switch status := served.StatusOf(err); {
	case err == nil:
		return answer.Body.Close()
	case status == http.StatusNotFound, status == http.StatusUnauthorized && !g.names:
		return nil // it serves, and has nothing to say by itself
	}
	return err
}
