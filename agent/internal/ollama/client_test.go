package ollama

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/wire"
)

// answering returns a client of a server that gives every question this answer.
func answering(t testing.TB, status int, answer io.WriterTo) *client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		if _, err := answer.WriteTo(w); err != nil {
			t.Log(err) // the client may have had enough
		}
	}))
	t.Cleanup(server.Close)
	c := newClient(strings.TrimPrefix(server.URL, "http://"))
	t.Cleanup(c.close)
	return c
}

func TestLoadedModelsAreRead(t *testing.T) {
	c := answering(t, http.StatusOK, bytes.NewBufferString(`{"models":[
		{"name":"a:latest","model":"a:latest","size":100,"digest":"sha256:abc","size_vram":60,"context_length":4096,"expires_at":"2318-03-05T01:02:03.5+02:00"},
		{"name":"b:latest","size":-1,"context_length":-1,"expires_at":"0001-01-01T00:00:00Z"}]}`))
	got, err := c.loaded(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	never := time.Date(2318, 3, 4, 23, 2, 3, 5e8, time.UTC).UnixMilli()
	want := []wire.LoadedModel{
		{Name: "a:latest", Digest: "abc", SizeBytes: 100, SizeVRAMBytes: 60, ContextLength: 4096, ExpiresUnixMillis: never},
		{Name: "b:latest"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestModelsOnTheirWayAreNoModels(t *testing.T) {
	c := answering(t, http.StatusOK, bytes.NewBufferString(`{"models":[
		{"name":"a:latest","digest":"abc"},
		{"name":"127.0.0.1:4711/corral-0123456789abcdef0123456789abcdef/model:latest","digest":"def"}]}`))
	got, _, err := c.models(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]wire.Model{{Name: "a:latest", Digest: "abc"}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestBadAnswersAreErrors(t *testing.T) {
	for name, c := range map[string]*client{
		"error":     answering(t, http.StatusInternalServerError, bytes.NewBufferString(`{"version":"1"}`)),
		"not JSON":  answering(t, http.StatusOK, bytes.NewBufferString(`<html>`)),
		"too large": answering(t, http.StatusOK, bytes.NewBufferString(`{"version":"`+strings.Repeat("1", maxAnswer)+`"}`)),
	} {
		if v, err := c.version(t.Context()); err == nil {
			t.Errorf("%s: version = %.20q without an error", name, v)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := answering(t, http.StatusOK, bytes.NewBufferString(`{}`)).version(ctx); err == nil {
		t.Error("a context that is done is no error")
	}
}

func TestARunnerThatLoadsIsSeen(t *testing.T) {
	for _, c := range []struct {
		status int
		answer string
		want   bool
	}{
		{http.StatusOK, `{"status":3,"progress":0.4}`, true},
		{http.StatusOK, `{"status":2}`, true},
		{http.StatusOK, `{"status":0,"progress":1}`, false},
		{http.StatusOK, `{"status":"ok"}`, false}, // llama-server
		{http.StatusServiceUnavailable, `{"error":{"message":"Loading model","code":503}}`, true},
	} {
		server := answering(t, c.status, bytes.NewBufferString(c.answer))
		r := runner{port: server.base[strings.LastIndex(server.base, ":")+1:]}
		if got, err := r.loads(t.Context(), server.http); got != c.want {
			t.Errorf("after %d %s: %v, %v, want %v", c.status, c.answer, got, err, c.want)
		}
	}
	if loads, _ := (runner{}).loads(t.Context(), http.DefaultClient); loads {
		t.Error("a runner whose port is not known loads")
	}
}

// FuzzAnswers holds that no answer is read into something that can't be.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`{"models":[{"name":"a","size":1,"expires_at":"2026-01-01T00:00:00Z","modified_at":"2026-01-01T00:00:00Z"}]}`))
	f.Add([]byte(`{"models":[{"size":-5,"size_vram":-5,"context_length":1e18}]}`))
	f.Add([]byte(`{"models":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := &client{base: "http://ollama", http: &http.Client{Transport: canned(b)}}
		if loaded, err := c.loaded(t.Context()); err == nil {
			for _, m := range loaded {
				if int64(m.SizeBytes) < 0 || int64(m.SizeVRAMBytes) < 0 {
					t.Errorf("a negative size was read: %+v", m)
				}
			}
		}
		if models, _, err := c.models(t.Context()); err == nil {
			var valid struct{ Models []json.RawMessage }
			if json.Unmarshal(b, &valid) != nil || len(valid.Models) != len(models) {
				t.Errorf("%d models were read of %q", len(models), b)
			}
		}
	})
}

// canned is a transport that gives one answer.
type canned []byte

func (c canned) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(c))}, nil
}
