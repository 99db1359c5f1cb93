package e2e

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/e2e/corraltest"
)

const (
	largeBytes = 100 << 20
	// mostBytes is how long a body may be, where Ollama itself has no limit.
	mostBytes = 256 << 20
)

// largeRoutes are a route of each dialect that is asked with large bodies, with
// what else it needs.
func largeRoutes() map[string]string {
	return map[string]string{
		"/api/generate":        `"prompt":"Hi","stream":false`,
		"/v1/chat/completions": `"messages":[{"role":"user","content":"Hi"}],"stream":true`,
		"/v1/messages":         `"max_tokens":6,"messages":[{"role":"user","content":"Hi"}]`,
	}
}

// large sends bodies of 100 MB, whole ones and ones that are no JSON from the
// middle on. To the latter an Ollama answers before it has read them, so that
// few clients see the answer; it is asked with less in their place.
func (w *twins) large() {
	w.t.Helper()
	filling := strings.Repeat("x", largeBytes)
	for path, needed := range largeRoutes() {
		w.same(postText(path, `{"model":"hello","unknown":"`+filling+`",`+needed+`}`))
		broken := func(filling string) question {
			return postText(path, `{"model":"hello",`+needed+`,"unknown":"`+filling+`" oops "`+filling+`"}`)
		}
		if diff := cmp.Diff(seenBy(w.real, broken("x")), seenBy(w.fleet, broken(filling[:largeBytes/2]))); diff != "" {
			w.t.Errorf("%s, broken half-way (-one +fleet)\n%s", path, diff)
		}
	}
	w.same(postText("/api/generate", `{"model":"hello","prompt":"Hi","unknown":"`+filling))
}

// wantLimit sends bodies that are just as long as they may be, which are read,
// and one byte longer, which are not. None reaches a host.
func wantLimit(t *testing.T, fleet *corraltest.Caller) {
	t.Helper()
	f := func(path string, size, length int64, want int) {
		t.Helper()
		head, tail := `{"model":"nope",`+largeRoutes()[path]+`,"unknown":"`, `"}`
		filling := io.LimitReader(filler{}, size-int64(len(head)+len(tail)))
		status, answer := send(t, fleet, path, io.MultiReader(strings.NewReader(head), filling, strings.NewReader(tail)), length)
		if status != want || wordsOf(answer) == "" {
			t.Errorf("%s: a body of %d bytes, told to be %d: %d %s", path, size, length, status, answer)
		}
	}
	const inChunks = -1
	f("/api/generate", mostBytes, mostBytes, 404)
	f("/v1/messages", mostBytes+1, inChunks, 413)
	for path := range largeRoutes() {
		f(path, mostBytes+1, mostBytes+1, 413)
	}
}

// filler reads as x without an end.
type filler struct{}

func (filler) Read(p []byte) (int, error) {
	n := copy(p, "x")
	for n < len(p) {
		n += copy(p[n:], p[:n])
	}
	return n, nil
}

// send posts a body of a length, which is -1 where it is sent in chunks.
func send(t *testing.T, to *corraltest.Caller, path string, body io.Reader, length int64) (status int, answer string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to.URL+path, io.NopCloser(body))
	if err != nil {
		t.Fatal(err)
	}
	request.ContentLength = length
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+to.Key)
	response, err := to.HTTP.Do(request)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s: %v after %q", path, err, text)
	}
	return response.StatusCode, string(text)
}

// wordsOf returns what an error says, in whatever dialect, or "".
func wordsOf(body string) string {
	var told struct{ Error json.RawMessage }
	if json.Unmarshal([]byte(body), &told) != nil {
		return ""
	}
	var words string
	if json.Unmarshal(told.Error, &words) == nil {
		return words
	}
	var inner struct{ Message string }
	_ = json.Unmarshal(told.Error, &inner)
	return inner.Message
}
