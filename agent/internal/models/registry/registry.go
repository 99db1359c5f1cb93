// Package registry serves one model to one Ollama, as a registry on this machine's
// loopback that lives as long as the pull. Ollama then makes the model its own with the
// very digest that was planned, resumes by itself, and has one copy on disk: nothing is
// kept here, each range is read when Ollama asks for it.
//
// What Ollama wants of a registry, of all versions from 0.5 to 0.34: a manifest of
// Docker's second schema; the size of a blob by HEAD; a GET of it that leads to another
// host name; and then ranges from there, up to sixteen at once, without any credentials.
package registry

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Models pass under a namespace that begins so, and this name.
const (
	namespacePrefix = "corral-"
	passingModel    = "model:latest"
)

// passing are names of models on their way, as Ollama lists them.
var passing = regexp.MustCompile(`^127\.0\.0\.1:\d+/` + namespacePrefix + `[0-9a-f]{32}/`)

// Passing reports whether a name is that of a model on its way, which nobody should use.
func Passing(name string) bool { return passing.MatchString(name) }

// NewName returns a name for a model that passes without a registry.
func NewName() string {
	return "127.0.0.1:0/" + newToken() + "/" + passingModel
}

func newToken() string {
	token := make([]byte, 16)
	_, _ = rand.Read(token) // it never fails
	return namespacePrefix + hex.EncodeToString(token)
}

// pieceSize is how much is passed on at once, in bytes, of each of Ollama's sixteen ranges.
const pieceSize = 256 << 10

// Content is what a registry has: a manifest, and blobs by their digests.
type Content struct {
	Manifest []byte
	Blobs    map[string]Blob // by "sha256:…"
}

// Blob is one part of a model. Open is called from many goroutines at once.
type Blob interface {
	SizeBytes() int64
	Open(ctx context.Context, offset, length int64) (io.ReadCloser, error)
}

// Registry serves one model.
type Registry struct {
	content  Content
	token    string
	listener net.Listener
	failed   func(error)

	asked  atomic.Bool  // for the manifest
	served atomic.Int64 // bytes of blobs
}

// New listens on loopback. It calls failed, from any goroutine and perhaps more than
// once, when bytes of a blob can't be had, since Ollama would go on asking for minutes.
func New(ctx context.Context, content Content, failed func(error)) (*Registry, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for ollama: %w", err)
	}
	return &Registry{content: content, token: newToken(), listener: listener, failed: failed}, nil
}

// Name is the model's name while it passes. It is a secret: who has it may read the model.
func (r *Registry) Name() string {
	return r.listener.Addr().String() + "/" + r.token + "/" + passingModel
}

// Asked reports whether Ollama has found the registry.
func (r *Registry) Asked() bool { return r.asked.Load() }

// ServedBytes returns how much of the blobs Ollama has taken.
func (r *Registry) ServedBytes() int64 { return r.served.Load() }

// Run serves until ctx ends.
func (r *Registry) Run(ctx context.Context) error {
	server := &http.Server{
		Handler: r.handler(), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(r.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve ollama: %w", err)
	}
	return nil
}

// Close ends a registry that is not run.
func (r *Registry) Close() error { return r.listener.Close() }

func (r *Registry) handler() http.Handler {
	routes := http.NewServeMux()
	routes.HandleFunc("GET /v2/{token}/model/manifests/latest", r.guard(r.manifest))
	routes.HandleFunc("HEAD /v2/{token}/model/blobs/{digest}", r.guard(r.head))
	routes.HandleFunc("GET /v2/{token}/model/blobs/{digest}", r.guard(r.lead))
	routes.HandleFunc("GET /bytes/{token}/{digest}", r.guard(r.bytes))
	return routes
}

// guard lets nobody in who doesn't know the token.
func (r *Registry) guard(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		if req.PathValue("token") != r.token {
			http.NotFound(w, req)
			return
		}
		serve(w, req)
	}
}

func (r *Registry) manifest(w http.ResponseWriter, _ *http.Request) {
	r.asked.Store(true)
	w.Header().Set("Content-Type", "application/vnd.docker.distribution.manifest.v2+json")
	_, _ = w.Write(r.content.Manifest) // who doesn't take it asks again
}

func (r *Registry) head(w http.ResponseWriter, req *http.Request) {
	blob := r.content.Blobs[req.PathValue("digest")]
	if blob == nil {
		http.NotFound(w, req)
		return
	}
	w.Header().Set("Content-Length", strconv.FormatInt(blob.SizeBytes(), 10))
}

// lead sends to where the bytes are. Ollama takes only an address with another host
// name, as registries send it to their stores. This one is the same loopback, and takes
// no resolver.
func (r *Registry) lead(w http.ResponseWriter, req *http.Request) {
	if r.content.Blobs[req.PathValue("digest")] == nil {
		http.NotFound(w, req)
		return
	}
	_, port, err := net.SplitHostPort(r.listener.Addr().String())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	at := "http://[::ffff:127.0.0.1]:" + port + "/bytes/" + r.token + "/" + req.PathValue("digest")
	http.Redirect(w, req, at, http.StatusTemporaryRedirect)
}

// bytes sends a range of a blob as it comes from its source.
func (r *Registry) bytes(w http.ResponseWriter, req *http.Request) {
	blob := r.content.Blobs[req.PathValue("digest")]
	if blob == nil {
		http.NotFound(w, req)
		return
	}
	size := blob.SizeBytes()
	offset, length, ok := rangeOf(req.Header.Get("Range"), size)
	if !ok {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", size))
		w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		return
	}
	body, err := blob.Open(req.Context(), offset, length)
	if err != nil {
		r.fail(req, err)
		http.Error(w, "the source does not serve it", http.StatusBadGateway)
		return
	}
	defer body.Close()
	w.Header().Set("Content-Length", strconv.FormatInt(length, 10))
	if req.Header.Get("Range") != "" {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", offset, offset+length-1, size))
		w.WriteHeader(http.StatusPartialContent)
	}
	from := &source{Reader: body}
	n, err := io.CopyBuffer(struct{ io.Writer }{w}, from, make([]byte, pieceSize))
	r.served.Add(n)
	if err == nil {
		return
	}
	if from.err != nil { // else it was Ollama that went away
		r.fail(req, from.err)
	}
	panic(http.ErrAbortHandler) // half of it must not look like all
}

func (r *Registry) fail(req *http.Request, err error) {
	if req.Context().Err() == nil {
		r.failed(err)
	}
}

// source notes whether it was the reading that failed.
type source struct {
	io.Reader
	err error
}

// Read implements [io.Reader].
func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// rangeOf reads "bytes=5-9", the one form that Ollama sends; none is all.
func rangeOf(value string, size int64) (offset, length int64, ok bool) {
	if value == "" {
		return 0, size, true
	}
	span, ok := strings.CutPrefix(value, "bytes=")
	first, last, dash := strings.Cut(span, "-")
	offset, err := strconv.ParseInt(first, 10, 64)
	if !ok || !dash || err != nil || offset < 0 || offset >= size {
		return 0, 0, false
	}
	end := size - 1
	if last != "" {
		if end, err = strconv.ParseInt(last, 10, 64); err != nil || end < offset {
			return 0, 0, false
		}
	}
	return offset, min(end, size-1) - offset + 1, true
}
