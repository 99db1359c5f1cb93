package standin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// start serves a stand-in for the length of a test and returns its base URL.
func start(t *testing.T, o Options) string {
	t.Helper()
	s, err := Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s.URL
}

// call makes one request, a POST when it has a body, and reads the answer.
func call(t *testing.T, url, body string) (*http.Response, []byte) {
	t.Helper()
	method := http.MethodPost
	if body == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, got
}

// recorded returns what a real Ollama answered.
func recorded(t *testing.T, name string) []byte {
	t.Helper()
	p, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// fields lists the fields of a JSON value with their types, objects within it
// as well. What is under model_info differs from model to model.
func fields(t *testing.T, raw []byte) []string {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	var list []string
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			list = append(list, path+" object")
			for name, f := range v {
				if path != ".model_info" {
					walk(path+"."+name, f)
				}
			}
		case []any:
			list = append(list, path+" array")
			for _, f := range v {
				walk(path+"[]", f)
			}
		case string:
			list = append(list, path+" string")
		case float64:
			list = append(list, path+" number")
		case bool:
			list = append(list, path+" bool")
		case nil:
			list = append(list, path+" null")
		}
	}
	walk("", v)
	slices.Sort(list)
	return slices.Compact(list)
}

const (
	chatAsk     = `{"model":"bench","messages":[{"role":"user","content":"hello"}]}`
	generateAsk = `{"model":"bench","prompt":"hello"}`
)

// whole makes a request ask for an answer in one piece.
func whole(ask string) string { return strings.TrimSuffix(ask, "}") + `,"stream":false}` }

func TestBodiesHaveTheFieldsOfARealOllama(t *testing.T) {
	base := start(t, Options{Tokens: 9})
	for _, c := range []struct{ path, ask, file string }{
		{"/api/version", "", "version.json"},
		{"/api/tags", "", "tags.json"},
		{"/api/ps", "", "ps.json"},
		{"/api/show", `{"model":"bench"}`, "show.json"},
		{"/api/show", `{"model":"","name":"bench"}`, "show.json"},
		{"/api/chat", whole(chatAsk), "chat_whole.json"},
		{"/api/chat", `{"model":"bench"}`, "chat_load.json"},
		{"/api/generate", whole(generateAsk), "generate_whole.json"},
		{"/api/generate", `{"model":"bench"}`, "generate_load.json"},
		{"/v1/chat/completions", chatAsk, "openai_whole.json"},
		{"/api/chat", strings.Replace(chatAsk, "bench", "nope", 1), "missing.json"},
	} {
		_, got := call(t, base+c.path, c.ask)
		if diff := cmp.Diff(fields(t, recorded(t, c.file)), fields(t, got)); diff != "" {
			t.Errorf("%s %s (-real +stand-in):\n%s", c.path, c.ask, diff)
		}
	}
}

func TestStreamsHaveTheLinesOfARealOllama(t *testing.T) {
	base := start(t, Options{Tokens: 9})
	for _, c := range []struct{ path, ask, file, contentType string }{
		{"/api/chat", chatAsk, "chat_stream.ndjson", "application/x-ndjson"},
		{"/api/generate", generateAsk, "generate_stream.ndjson", "application/x-ndjson"},
		{"/v1/chat/completions", strings.TrimSuffix(chatAsk, "}") + `,"stream":true}`, "openai_stream.txt", "text/event-stream"},
	} {
		resp, got := call(t, base+c.path, c.ask)
		if ct := resp.Header.Get("Content-Type"); ct != c.contentType {
			t.Errorf("%s: content type %q, want %q", c.path, ct, c.contentType)
		}
		real, ours := lineFields(t, recorded(t, c.file)), lineFields(t, got)
		if diff := cmp.Diff(real, ours); diff != "" {
			t.Errorf("%s (-real +stand-in):\n%s", c.path, diff)
		}
	}
}

// lineFields returns the fields of each line of a stream, or the line itself
// where it isn't JSON.
func lineFields(t *testing.T, stream []byte) [][]string {
	t.Helper()
	var all [][]string
	for line := range bytes.Lines(stream) {
		data := bytes.TrimPrefix(bytes.TrimSpace(line), []byte("data: "))
		if bytes.HasPrefix(data, []byte("{")) {
			all = append(all, fields(t, data))
		} else {
			all = append(all, []string{string(line)})
		}
	}
	return all
}

func TestEachPieceIsOneChunk(t *testing.T) {
	base := start(t, Options{Tokens: 64})
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	req := "POST /api/chat HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 64\r\n\r\n" + chatAsk
	if len(chatAsk) != 64 {
		t.Fatalf("the request has %d bytes", len(chatAsk))
	}
	if _, err := io.WriteString(conn, req); err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	_, body, ok := bytes.Cut(raw, []byte("\r\n\r\n"))
	if !ok {
		t.Fatalf("no body in %q", raw)
	}
	// With one line a chunk, each chunk is its size, its line and an empty line.
	sizes := 0
	for chunk := range bytes.SplitSeq(bytes.TrimSuffix(body, []byte("0\r\n\r\n")), []byte("\n\r\n")) {
		if _, line, ok := bytes.Cut(chunk, []byte("\r\n")); ok {
			if sizes++; !json.Valid(line) {
				t.Errorf("chunk %d is not one line: %q", sizes, chunk)
			}
		}
	}
	if sizes != 65 {
		t.Errorf("%d chunks, want 64 pieces and the last line", sizes)
	}
}

func TestPiecesArriveBeforeTheNextIsMade(t *testing.T) {
	// The whole answer would take minutes: its first line can only come
	// before the others are made, and stopping must not wait for them.
	s, err := Start(context.Background(), Options{Tokens: 1000, Delay: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(s.URL+"/api/chat", "application/json", strings.NewReader(chatAsk))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, `"content":"The"`) {
		t.Fatalf("first line %q, %v", line, err)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if rest, err := io.ReadAll(lines); err == nil || bytes.Contains(rest, []byte(`"done":true`)) {
		t.Errorf("a stopped stream ended as if whole: %q, %v", rest, err)
	}
}

func TestNumPredictEndsAnAnswer(t *testing.T) {
	base := start(t, Options{Tokens: 9})
	_, got := call(t, base+"/api/chat", strings.TrimSuffix(chatAsk, "}")+`,"options":{"num_predict":3}}`)
	if n := bytes.Count(got, []byte("\n")); n != 4 || !bytes.Contains(got, []byte(`"done_reason":"length"`)) {
		t.Errorf("%d lines:\n%s", n, got)
	}
}

func TestRefusals(t *testing.T) {
	base := start(t, Options{Tokens: 1})
	for _, c := range []struct {
		path, ask string
		status    int
	}{
		{"/", "", 200},
		{"/nope", "", 404},
		{"/api/chat", "{bad", 400},
		{"/api/chat", "", 400},
		{"/api/generate", `{"model":"other"}`, 404},
		{"/api/show", `{}`, 404},
	} {
		if resp, _ := call(t, base+c.path, c.ask); resp.StatusCode != c.status {
			t.Errorf("%s %q: status %d, want %d", c.path, c.ask, resp.StatusCode, c.status)
		}
	}
	for _, o := range []Options{{}, {Tokens: -1}, {Tokens: 1, Delay: -1}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}

func TestStopRightAfterStart(t *testing.T) {
	for range 200 {
		s, err := Start(context.Background(), Options{Tokens: 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}
