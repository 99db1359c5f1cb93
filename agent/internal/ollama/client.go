package ollama

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/corral-fleet/corral/agent/internal/models/registry"
	"github.com/corral-fleet/corral/sdk/wire"
)

// maxAnswer bounds what is read of an answer: a host with ten thousand models
// lists them in about 4 MiB.
const maxAnswer = 16 << 20

// client asks one Ollama about itself. Its methods may be called concurrently;
// each needs a context with a deadline.
type client struct {
	base string // "http://host:port"
	http *http.Client
}

func newClient(hostPort string) *client {
	return &client{
		base: "http://" + hostPort,
		// No proxy, whatever the environment says: the other end is this host.
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second}},
	}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// version returns the version that Ollama says it is.
func (c *client) version(ctx context.Context) (string, error) {
	var answer struct{ Version string }
	err := c.ask(ctx, http.MethodGet, "/api/version", nil, &answer)
	return answer.Version, err
}

type tagsAnswer struct {
	Models []struct {
		Name       string
		Digest     string
		Size       int64
		ModifiedAt time.Time `json:"modified_at"`
		RemoteHost string    `json:"remote_host"`
		Details    struct {
			Format            string
			Family            string
			ParameterSize     string `json:"parameter_size"`
			QuantizationLevel string `json:"quantization_level"`
		}
	}
}

// models returns what is in Ollama's store, and whether some of it is only the
// name of a model that another machine runs.
func (c *client) models(ctx context.Context) (models []wire.Model, elsewhere bool, err error) {
	var answer tagsAnswer
	if err := c.ask(ctx, http.MethodGet, "/api/tags", nil, &answer); err != nil {
		return nil, false, err
	}
	models = make([]wire.Model, 0, len(answer.Models))
	for _, m := range answer.Models {
		if registry.Passing(m.Name) {
			continue // it gets a name when it is whole
		}
		elsewhere = elsewhere || m.RemoteHost != ""
		models = append(models, wire.Model{
			Name:               m.Name,
			Digest:             strings.TrimPrefix(m.Digest, "sha256:"),
			SizeBytes:          uint64(max(m.Size, 0)),
			Format:             m.Details.Format,
			Family:             m.Details.Family,
			ParameterSize:      m.Details.ParameterSize,
			Quantization:       m.Details.QuantizationLevel,
			ModifiedUnixMillis: unixMillis(m.ModifiedAt),
		})
	}
	return models, elsewhere, nil
}

type loadedAnswer struct {
	Models []struct {
		Name          string
		Digest        string
		Size          int64
		SizeVRAM      int64     `json:"size_vram"`
		ContextLength int64     `json:"context_length"`
		ExpiresAt     time.Time `json:"expires_at"`
	}
}

// loaded returns what is in Ollama's memory.
func (c *client) loaded(ctx context.Context) ([]wire.LoadedModel, error) {
	var answer loadedAnswer
	if err := c.ask(ctx, http.MethodGet, "/api/ps", nil, &answer); err != nil {
		return nil, err
	}
	loaded := make([]wire.LoadedModel, 0, len(answer.Models))
	for _, m := range answer.Models {
		loaded = append(loaded, wire.LoadedModel{
			Name:              m.Name,
			Digest:            strings.TrimPrefix(m.Digest, "sha256:"),
			SizeBytes:         uint64(max(m.Size, 0)),
			SizeVRAMBytes:     uint64(max(m.SizeVRAM, 0)),
			ContextLength:     uint32(min(max(m.ContextLength, 0), 1<<32-1)),
			ExpiresUnixMillis: unixMillis(m.ExpiresAt),
		})
	}
	return loaded, nil
}

func unixMillis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// capabilities returns what a model can do, such as "completion".
func (c *client) capabilities(ctx context.Context, model string) ([]string, error) {
	var answer struct{ Capabilities []string }
	err := c.ask(ctx, http.MethodPost, "/api/show", map[string]any{"model": model}, &answer)
	return answer.Capabilities, err
}

// file returns the name of the file that a model is run from, "" where it is none
// of Ollama's own.
func (c *client) file(ctx context.Context, model string) (string, error) {
	var answer struct{ Modelfile string }
	err := c.ask(ctx, http.MethodPost, "/api/show", map[string]any{"model": model}, &answer)
	return modelFile(answer.Modelfile), err
}

// generateOne has a model that never expires produce one token and returns how
// long Ollama took to have the model ready.
func (c *client) generateOne(ctx context.Context, model string, contextLength uint32) (load time.Duration, err error) {
	var answer struct {
		LoadDuration int64 `json:"load_duration"` // nanoseconds
	}
	err = c.ask(ctx, http.MethodPost, "/api/generate", map[string]any{
		"model": model, "prompt": "1", "raw": true, "stream": false,
		"keep_alive": -1,
		"options":    map[string]any{"num_predict": 1, "num_ctx": contextLength},
	}, &answer)
	return time.Duration(answer.LoadDuration), err
}

func (c *client) ask(ctx context.Context, method, path string, body, answer any) error {
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("ask ollama %s: %w", path, err)
		}
		content = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return fmt.Errorf("ask ollama %s: %w", path, err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("ask ollama %s: %w", path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("ask ollama %s: %w", path, err)
	case len(b) > maxAnswer:
		return fmt.Errorf("ask ollama %s: the answer is over %d bytes", path, maxAnswer)
	case resp.StatusCode != http.StatusOK:
		return &statusError{path: path, status: resp.StatusCode}
	}
	if err := json.Unmarshal(b, answer); err != nil {
		return fmt.Errorf("ask ollama %s: %w", path, err)
	}
	return nil
}

// statusError is an answer that is not what was asked for, but is an answer.
type statusError struct {
	path   string
	status int
}

func (e *statusError) Error() string {
	return fmt.Sprintf("ask ollama %s: status %d", e.path, e.status)
}
