package models

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/agent/internal/models/order"
	"github.com/corral-fleet/corral/agent/internal/realollama"
	"github.com/corral-fleet/corral/sdk/gguf/tinymodel"
	"github.com/corral-fleet/corral/sdk/loader"
	"github.com/corral-fleet/corral/sdk/wire/work"
)

// patience is how long a test waits for what has to come.
const patience = 60 * time.Second

// tiny returns the file of a model that a real engine runs.
func tiny(t testing.TB, o tinymodel.Options) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := tinymodel.Write(&b, o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func shaOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// origin is a server that has files, and fails as it is told.
type origin struct {
	*httptest.Server
	bytes    atomic.Int64 // sent
	requests atomic.Int64

	mu    sync.Mutex
	files map[string][]byte
	fault func(w http.ResponseWriter, r *http.Request, file []byte) (handled bool)
}

func newOrigin(t testing.TB, files map[string][]byte) *origin {
	o := &origin{files: files}
	o.Server = httptest.NewServer(http.HandlerFunc(o.serve))
	t.Cleanup(o.Close)
	return o
}

func (o *origin) serve(w http.ResponseWriter, r *http.Request) {
	o.requests.Add(1)
	o.mu.Lock()
	file, there := o.files[strings.TrimPrefix(r.URL.Path, "/")]
	fault := o.fault
	o.mu.Unlock()
	if !there {
		http.NotFound(w, r)
		return
	}
	cw := &countingWriter{w, &o.bytes}
	if fault != nil && fault(cw, r, file) {
		return
	}
	w.Header().Set("Etag", `"`+shaOf(file[:min(len(file), 64)])[:8]+`"`)
	http.ServeContent(cw, r, "", time.Time{}, bytes.NewReader(file))
}

// set has the server fail in some way, or with nil no longer.
func (o *origin) set(fault func(w http.ResponseWriter, r *http.Request, file []byte) bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fault = fault
}

type countingWriter struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (w *countingWriter) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	w.n.Add(int64(n))
	return n, err
}

// Unwrap gives a ResponseController what is below.
func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

const ggufConfig = `{"model_format":"gguf","model_family":"llama","model_families":["llama"],"model_type":"1.2M","file_type":"F16"}`

// plain is the job of a file that is a whole model.
func plain(model string, file []byte, urls ...string) *work.Job {
	return &work.Job{
		ID: "1", Kind: work.Load, Model: model,
		Recipe: &loader.Recipe{
			Layers: []loader.Layer{
				{Role: loader.RoleModel, Parts: []loader.Part{{File: "model.gguf", LengthBytes: int64(len(file))}}, SizeBytes: int64(len(file)), SHA256: shaOf(file)},
				inline(loader.RoleTemplate, `{{ range .Messages }}<|im_start|>{{ .Role }}`+"\n"+`{{ .Content }}<|im_end|>`+"\n"+`{{ end }}<|im_start|>assistant`+"\n"),
				inline(loader.RoleParameters, `{"num_thread":1,"stop":["<|im_end|>"]}`),
			},
			Config: json.RawMessage(ggufConfig),
		},
		Sources: map[string]work.Source{"model.gguf": {SizeBytes: int64(len(file)), SHA256: shaOf(file), URLs: urls}},
	}
}

func inline(role loader.Role, text string) loader.Layer {
	return loader.Layer{Role: role, SizeBytes: int64(len(text)), Parts: []loader.Part{{LengthBytes: int64(len(text)), Inline: []byte(text)}}}
}

// executor returns one for a server, with short timing.
func executor(t testing.TB, s *realollama.Server) *Executor {
	t.Helper()
	e := New(order.Host{Ollama: s.URL(), DataDir: t.TempDir(), ModelsDir: s.ModelsDir, Ours: true}, nil, &Progress{}, hclog.NewNullLogger())
	e.timing.Stall, e.timing.Answer, e.timing.Patience, e.timing.Pause = 2*time.Second, 2*time.Second, 6*time.Second, 10*time.Millisecond
	t.Cleanup(e.Close)
	return e
}

// ask has a model say something.
func ask(t testing.TB, s *realollama.Server, model string) string {
	t.Helper()
	body := fmt.Sprintf(`{"model":%q,"stream":false,"messages":[{"role":"user","content":"Hello"}]}`, model)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL()+"/api/chat", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ Message struct{ Content string } }
	if err := json.Unmarshal(text, &answer); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("chat: status %d, %s", res.StatusCode, text)
	}
	return strings.TrimSpace(answer.Message.Content)
}
