// Package api is what the model worker asks of an Ollama.
package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/corral-fleet/corral/sdk/fault"
)

// maxAnswer bounds an answer, and maxLine a line of one.
const (
	maxAnswer = 64 << 20
	maxLine   = 1 << 20
)

// Client asks one Ollama. Its methods may be called concurrently. What Ollama refuses
// is a [RefusalError]; an Ollama that can't be reached is fault.Unavailable.
type Client struct {
	base string
	http *http.Client
}

// New returns a client of the Ollama at a URL.
func New(base string) *Client {
	// No proxy, whatever the environment says: the other end is this host's.
	transport := &http.Transport{DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext, MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second}
	return &Client{base: strings.TrimSuffix(base, "/"), http: &http.Client{Transport: transport}}
}

// Close closes the connections that are kept.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// ErrBroke is part of the error of an Ollama that broke off while it took a model in, as one
// does that ends over it.
var ErrBroke = errors.New("ollama broke off")

// RefusalError is an error that Ollama itself told, by a status or within a stream.
type RefusalError struct {
	Status  int // 200 where it came within a stream
	Message string
}

// Error implements error.
func (r *RefusalError) Error() string { return "ollama: " + r.Message }

// Version returns the version that Ollama says it is.
func (c *Client) Version(ctx context.Context) (string, error) {
	var answer struct{ Version string }
	err := c.ask(ctx, http.MethodGet, "/api/version", nil, &answer)
	return answer.Version, err
}

// Model is one in Ollama's store.
type Model struct {
	Name   string
	Digest string // of its manifest, in hexadecimal
	Size   int64  // bytes
}

// Models lists what is in Ollama's store.
func (c *Client) Models(ctx context.Context) ([]Model, error) {
	var answer struct{ Models []Model }
	err := c.ask(ctx, http.MethodGet, "/api/tags", nil, &answer)
	for i := range answer.Models {
		answer.Models[i].Digest = strings.TrimPrefix(answer.Models[i].Digest, "sha256:")
	}
	return answer.Models, err
}

// Shown is what Ollama tells of a model.
type Shown struct {
	Details struct {
		Format        string
		Family        string
		ParameterSize string `json:"parameter_size"`
		Quantization  string `json:"quantization_level"`
	}
	Capabilities []string
}

// Show returns what Ollama tells of a model.
func (c *Client) Show(ctx context.Context, model string) (*Shown, error) {
	var s Shown
	err := c.ask(ctx, http.MethodPost, "/api/show", map[string]any{"model": model}, &s)
	return &s, err
}

// Copy gives a model another name as well, at once and in place of what had it.
func (c *Client) Copy(ctx context.Context, from, to string) error {
	return c.ask(ctx, http.MethodPost, "/api/copy", map[string]any{"source": from, "destination": to}, nil)
}

// Delete takes a name away, and what no other name needs. One that isn't there is
// fault.NotFound.
func (c *Client) Delete(ctx context.Context, model string) error {
	err := c.ask(ctx, http.MethodDelete, "/api/delete", map[string]any{"model": model}, nil)
	if r, ok := errors.AsType[*RefusalError](err); ok && r.Status == http.StatusNotFound {
		return fault.Wrap(fault.NotFound, err, "this host has no model %q", model)
	}
	return err
}

// Unload takes a model out of memory.
func (c *Client) Unload(ctx context.Context, model string) error {
	return c.ask(ctx, http.MethodPost, "/api/generate", map[string]any{"model": model, "keep_alive": 0, "stream": false}, nil)
}

// Loaded returns the names of the models that are in memory.
func (c *Client) Loaded(ctx context.Context) ([]string, error) {
	var answer struct{ Models []struct{ Name string } }
	err := c.ask(ctx, http.MethodGet, "/api/ps", nil, &answer)
	var names []string
	for _, m := range answer.Models {
		names = append(names, m.Name)
	}
	return names, err
}

// HasBlob reports whether a blob, "sha256:…", is in Ollama's store.
func (c *Client) HasBlob(ctx context.Context, digest string) (bool, error) {
	err := c.ask(ctx, http.MethodHead, "/api/blobs/"+digest, nil, nil)
	if r, ok := errors.AsType[*RefusalError](err); ok && r.Status == http.StatusNotFound {
		return false, nil
	}
	return err == nil, err
}

// Progress is a line of a stream: what Ollama is doing, and how far it is with a blob.
type Progress struct {
	Status    string
	Digest    string
	Total     int64
	Completed int64
	Error     string
}

// Pull has Ollama get a model from a registry without TLS.
func (c *Client) Pull(ctx context.Context, model string, each func(Progress)) error {
	return c.follow(ctx, "/api/pull", map[string]any{"model": model, "insecure": true}, each)
}

// Creation is what a model is to be created of.
type Creation struct {
	Model      string            `json:"model"`
	From       string            `json:"from,omitempty"`
	Files      map[string]string `json:"files,omitempty"` // digests by names, as are the others
	Adapters   map[string]string `json:"adapters,omitempty"`
	DraftFiles map[string]string `json:"draft_files,omitempty"`
	Template   string            `json:"template,omitempty"`
	System     string            `json:"system,omitempty"`
	License    []string          `json:"license,omitempty"`
	Parameters map[string]any    `json:"parameters,omitempty"`
	Messages   []any             `json:"messages,omitempty"`
	Quantize   string            `json:"quantize,omitempty"`
	Renderer   string            `json:"renderer,omitempty"`
	Parser     string            `json:"parser,omitempty"`
	Requires   string            `json:"requires,omitempty"`
}

// Create has Ollama make a model of what was uploaded.
func (c *Client) Create(ctx context.Context, creation *Creation, each func(Progress)) error {
	return c.follow(ctx, "/api/create", creation, each)
}

// Upload puts a blob, "sha256:…", into Ollama's store. When it returns, content is not
// being read any more.
func (c *Client) Upload(ctx context.Context, digest string, content io.Reader, sizeBytes int64) error {
	body := &lent{from: content}
	defer body.giveBack()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/api/blobs/"+digest, body)
	if err != nil {
		return fmt.Errorf("ask ollama: %w", err)
	}
	req.ContentLength = sizeBytes
	req.Header.Set("Content-Type", "application/octet-stream")
	res, err := c.do(ctx, req)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// follow sends a request and reads its stream. An error in the stream is a RefusalError, and
// an end without the last line, "success", is fault.Unavailable.
func (c *Client) follow(ctx context.Context, path string, body any, each func(Progress)) error {
	res, err := c.send(ctx, http.MethodPost, path, body)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	done := false
	lines := newLines(res.Body)
	for lines.Scan() {
		var p Progress
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			return fmt.Errorf("ask ollama %s: %w", path, err)
		}
		if p.Error != "" {
			return &RefusalError{Status: res.StatusCode, Message: p.Error}
		}
		done = done || p.Status == "success"
		each(p)
	}
	switch err := lines.Err(); {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil || !done:
		return fault.Wrap(fault.Unavailable, fmt.Errorf("ask ollama %s: %w, and its stream ended without success: %w", path, ErrBroke, cmp.Or(err, io.EOF)), "Ollama on this host broke off while it took the model in").On(fault.Ollama)
	}
	return nil
}

func (c *Client) ask(ctx context.Context, method, path string, body, answer any) error {
	res, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return c.lost(ctx, path, err)
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("ask ollama %s: %w", path, err)
	}
	return nil
}

// send sends a request with a JSON body and returns the answer when it is a good one.
func (c *Client) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("ask ollama %s: %w", path, err)
		}
		content = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return nil, fmt.Errorf("ask ollama %s: %w", path, err)
	}
	req.Header.Set("Content-Type", "application/json")
	return c.do(ctx, req)
}

func (c *Client) do(ctx context.Context, req *http.Request) (*http.Response, error) {
	path := req.URL.Path
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.lost(ctx, path, err)
	}
	if res.StatusCode < 300 {
		return res, nil
	}
	defer res.Body.Close()
	said, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	if err != nil {
		return nil, c.lost(ctx, path, err)
	}
	var answer struct{ Error string }
	if json.Unmarshal(said, &answer) != nil || answer.Error == "" {
		answer.Error = strings.TrimSpace(fmt.Sprintf("status %d %s", res.StatusCode, said))
	}
	return nil, &RefusalError{Status: res.StatusCode, Message: answer.Error}
}

// lost is that an Ollama can't be reached.
func (c *Client) lost(ctx context.Context, path string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fault.Wrap(fault.Unavailable, fmt.Errorf("ask ollama %s: %w", path, err), "Ollama on this host could not be reached, or broke off").On(fault.Ollama)
}
