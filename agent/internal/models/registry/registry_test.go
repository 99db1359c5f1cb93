package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// blob is bytes, of which those from broken on can't be had.
type blob struct {
	content []byte
	broken  int
}

func (b blob) SizeBytes() int64 { return int64(len(b.content)) }

func (b blob) Open(_ context.Context, offset, length int64) (io.ReadCloser, error) {
	part := b.content[offset:][:length]
	if end := int64(b.broken); end < offset+length {
		if end <= offset {
			return nil, errBroken
		}
		return io.NopCloser(io.MultiReader(bytes.NewReader(part[:end-offset]), brokenReader{})), nil
	}
	return io.NopCloser(bytes.NewReader(part)), nil
}

var errBroken = errors.New("broken")

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errBroken }

// serve runs a registry until the test ends.
func serve(t *testing.T, content Content, failed func(error)) *Registry {
	t.Helper()
	r, err := New(t.Context(), content, failed)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return r
}

// get asks as Ollama does, and doesn't follow to another place.
func get(t *testing.T, method, url, span string) (*http.Response, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if span != "" {
		req.Header.Set("Range", span)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res, string(body), err
}

func TestAsOllamaAsks(t *testing.T) {
	content := []byte("the bytes of a blob")
	r := serve(t, Content{Manifest: []byte(`{"m":1}`), Blobs: map[string]Blob{"sha256:ab": blob{content, len(content)}}}, func(err error) { t.Error(err) })
	host, rest, _ := strings.Cut(r.Name(), "/")
	if !Passing(r.Name()) || !strings.HasSuffix(rest, "/model:latest") {
		t.Fatalf("the name is %q", r.Name())
	}
	base := "http://" + host + "/v2/" + strings.TrimSuffix(rest, ":latest")
	if r.Asked() {
		t.Error("it was asked")
	}
	if _, body, _ := get(t, "GET", base+"/manifests/latest", ""); body != `{"m":1}` || !r.Asked() {
		t.Errorf("the manifest is %s, asked %v", body, r.Asked())
	}
	if res, _, _ := get(t, "HEAD", base+"/blobs/sha256:ab", ""); res.ContentLength != int64(len(content)) {
		t.Errorf("the blob has %d bytes", res.ContentLength)
	}
	res, _, _ := get(t, "GET", base+"/blobs/sha256:ab", "")
	at, err := res.Location()
	if err != nil || res.StatusCode != http.StatusTemporaryRedirect || at.Hostname() == "127.0.0.1" {
		t.Fatalf("it leads to %v with status %d: %v", at, res.StatusCode, err)
	}
	for _, test := range []struct {
		span, body, told string
		status           int
	}{
		{"bytes=4-8", "bytes", "bytes 4-8/19", 206},
		{"bytes=15-", "blob", "bytes 15-18/19", 206},
		{"bytes=15-400", "blob", "bytes 15-18/19", 206},
		{"", string(content), "", 200},
		{"bytes=19-", "", "bytes */19", 416},
		{"bytes=8-4", "", "bytes */19", 416},
		{"bytes=-4", "", "bytes */19", 416},
		{"lines=1-2", "", "bytes */19", 416},
	} {
		res, body, err := get(t, "GET", at.String(), test.span)
		got := []any{res.StatusCode, body, res.Header.Get("Content-Range")}
		if diff := cmp.Diff([]any{test.status, test.body, test.told}, got); diff != "" || err != nil {
			t.Errorf("%s: %s %v", test.span, diff, err)
		}
	}
	if n := r.ServedBytes(); n != 5+4+4+19 {
		t.Errorf("%d bytes were served", n)
	}
	for _, path := range []string{"/", "/v2/", strings.TrimPrefix(base, "http://"+host) + "/blobs/sha256:cd", "/bytes/corral-" + strings.Repeat("0", 32) + "/sha256:ab", "/v2/" + strings.Repeat("0", 32) + "/model/manifests/latest"} {
		if res, body, _ := get(t, "GET", "http://"+host+path, ""); res.StatusCode != 404 || strings.Contains(body, "blob") {
			t.Errorf("%s: status %d, %s", path, res.StatusCode, body)
		}
	}
}

func TestHalfOfABlobIsNotAllOfIt(t *testing.T) {
	content := make([]byte, 1<<20)
	var failures atomic.Int64
	r := serve(t, Content{Blobs: map[string]Blob{"sha256:ab": blob{content, 1 << 19}}}, func(err error) {
		if !errors.Is(err, errBroken) {
			t.Error(err)
		}
		failures.Add(1)
	})
	host, _, _ := strings.Cut(r.Name(), "/")
	at := fmt.Sprintf("http://%s/bytes/%s/sha256:ab", host, r.token)
	if _, body, err := get(t, "GET", at, "bytes=0-1048575"); err == nil || len(body) > 1<<19 {
		t.Errorf("%d bytes came, %v", len(body), err)
	}
	if res, _, _ := get(t, "GET", at, "bytes=600000-"); res.StatusCode != http.StatusBadGateway {
		t.Errorf("status %d", res.StatusCode)
	}
	if n := failures.Load(); n != 2 {
		t.Errorf("%d failures were told", n)
	}
}

func TestPassing(t *testing.T) {
	for name, want := range map[string]bool{
		"127.0.0.1:4711/corral-" + strings.Repeat("a0", 16) + "/model:latest":    true,
		"127.0.0.1:4711/corral-" + strings.Repeat("a0", 16) + "/replaced:latest": true,
		"127.0.0.1:4711/corral-short/model:latest":                               false,
		"127.0.0.1:5000/library/llama:latest":                                    false,
		"corral-demo:latest":                                                     false,
	} {
		if Passing(name) != want {
			t.Errorf("Passing(%q) is %v", name, !want)
		}
	}
}
