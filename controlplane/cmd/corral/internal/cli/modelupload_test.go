package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/sdk/client"
)

// warehouse stands in for a control plane that takes one upload, and stores it.
type warehouse struct {
	t *testing.T
	// cut, where it isn't nil, is called after some bytes of a piece have come, of which the
	// connection breaks then.
	cut func()
	// refuses is what it answers to who begins an upload, where it isn't empty.
	refuses string
	// storing is the state of the operation that stores it.
	storing fleet.OperationState

	mu      sync.Mutex
	begun   int
	start   begunUpload
	content bytes.Buffer
}

// begunUpload is what an upload began with.
type begunUpload struct {
	Name  string
	Check bool
	Files []struct {
		Filename string
		Size     int64
	}
}

// names returns those of the files.
func (b *begunUpload) names() (names []string) {
	for _, f := range b.Files {
		names = append(names, f.Filename)
	}
	return names
}

func (h *warehouse) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w.Header().Set("Corral-Model", "m_1")
	switch {
	case r.Method == http.MethodPost && h.refuses != "":
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		io.WriteString(w, h.refuses)
	case r.Method == http.MethodPost:
		var start begunUpload
		if err := json.NewDecoder(r.Body).Decode(&start); err != nil {
			h.t.Error(err)
		}
		if start.Check {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		h.begun++
		h.content.Reset()
		h.start = start
		w.Header().Set("Location", "/api/uploads/u_1")
		w.Header().Set("Upload-Offset", "0")
		w.WriteHeader(http.StatusCreated)
	case r.Method == http.MethodHead:
		var length int64
		for _, f := range h.start.Files {
			length += f.Size
		}
		w.Header().Set("Upload-Length", strconv.FormatInt(length, 10))
		w.Header().Set("Upload-Offset", strconv.Itoa(h.content.Len()))
	case r.Method == http.MethodPatch:
		if cut := h.cut; cut != nil {
			h.cut = nil
			if _, err := io.CopyN(&h.content, r.Body, 100_000); err != nil {
				h.t.Error(err)
			}
			cut()
			panic(http.ErrAbortHandler)
		}
		if _, err := io.Copy(&h.content, r.Body); err != nil {
			h.t.Error(err)
		}
		w.Header().Set("Upload-Offset", strconv.Itoa(h.content.Len()))
		w.WriteHeader(http.StatusNoContent)
	case r.URL.Path == "/api/operations":
		list := []fleet.Operation{}
		if h.content.Len() > 0 && h.storing != "" {
			list = append(list, fleet.Operation{ID: "op_1", Kind: fleet.StoreOperation, Model: "tiny:latest", State: h.storing, Error: "it is no model"})
		}
		h.answer(w, list)
	case r.URL.Path == "/api/models/m_1":
		h.answer(w, fleet.Model{ID: "m_1", Name: "tiny:latest", Status: fleet.ModelStored, Files: []fleet.ModelFile{{}}})
	default:
		h.t.Errorf("%s %s", r.Method, r.URL.Path)
	}
}

func (h *warehouse) answer(w io.Writer, what any) {
	if err := json.NewEncoder(w).Encode(what); err != nil {
		h.t.Error(err)
	}
}

// uploading is where uploads are tried.
type uploading struct {
	environment map[string]string
	file        string
	content     []byte
	notes       string // the folder of notes
}

func newUploading(t *testing.T, h *warehouse) *uploading {
	t.Helper()
	server := httptest.NewServer(http.StripPrefix("/k/crl_secret", h))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	u := &uploading{
		environment: map[string]string{"CORRAL_SERVER": server.URL + "/k/crl_secret", "XDG_STATE_HOME": filepath.Join(dir, "state")},
		file:        filepath.Join(dir, "tiny.gguf"), content: bytes.Repeat([]byte("corral!\n"), 100_000), notes: filepath.Join(dir, "state", "corral", "uploads"),
	}
	if err := os.WriteFile(u.file, u.content, 0o600); err != nil {
		t.Fatal(err)
	}
	return u
}

// noted returns what is noted of uploads.
func (u *uploading) noted(t *testing.T) string {
	t.Helper()
	entries, err := os.ReadDir(u.notes)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(u.notes, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(e.Name() + " " + string(text))
	}
	return all.String()
}

func TestUpload(t *testing.T) {
	h := &warehouse{t: t, storing: fleet.OperationDone}
	u := newUploading(t, h)
	o := run(t, u.environment, "", "model", "upload", u.file, "--name", "tiny", "--quantize", "q4_K_M", "--wait")
	if o.exit != 0 || o.stdout != "model tiny:latest is stored\n" || !strings.Contains(o.stderr, "upload tiny.gguf: done, 781 KiB\n") || !strings.Contains(o.stderr, "store tiny:latest: done") {
		t.Errorf("exit %d\n%s%s", o.exit, o.stdout, o.stderr)
	}
	if !bytes.Equal(h.content.Bytes(), u.content) {
		t.Error("other bytes came")
	}
	if noted := u.noted(t); noted != "" {
		t.Errorf("noted is still %s", noted)
	}
}

func TestUploadWithoutWaiting(t *testing.T) {
	u := newUploading(t, &warehouse{t: t})
	o := run(t, u.environment, "", "model", "upload", u.file)
	if o.exit != 0 || o.stdout != "model tiny:latest is uploaded, and being stored; corral op watch follows\n" {
		t.Errorf("exit %d\n%s%s", o.exit, o.stdout, o.stderr)
	}
}

func TestUploadOfWhatIsNoModel(t *testing.T) {
	u := newUploading(t, &warehouse{t: t, storing: fleet.OperationFailed})
	o := run(t, u.environment, "", "model", "upload", u.file, "--wait")
	if o.exit != exitFailed || !strings.HasSuffix(o.stderr, "corral: store tiny:latest: it is no model\n") || o.stdout != "" {
		t.Errorf("exit %d\n%s%s", o.exit, o.stdout, o.stderr)
	}
}

func TestUploadThatIsRefused(t *testing.T) {
	u := newUploading(t, &warehouse{t: t, refuses: `{"error":"that is too much","code":"too_large"}`})
	o := run(t, u.environment, "", "model", "upload", u.file)
	if o.exit != exitFailed || !strings.HasSuffix(o.stderr, "corral: that is too much\n") {
		t.Errorf("exit %d\n%s%s", o.exit, o.stdout, o.stderr)
	}
}

// interrupted runs an upload of these files until it is interrupted, and checks that
// another run can go on.
func (u *uploading) interrupted(t *testing.T, h *warehouse, paths ...string) {
	t.Helper()
	ctx, interrupt := context.WithCancel(t.Context())
	h.cut = interrupt
	var stderr strings.Builder
	exit := Program{
		Args: append([]string{"model", "upload"}, paths...), Getenv: func(name string) string { return u.environment[name] },
		Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: &stderr, Now: now,
	}.Run(ctx)
	if exit != exitInterrupted || !strings.HasSuffix(stderr.String(), "corral: interrupted; the same command goes on where this one was\n") {
		t.Fatalf("exit %d\n%s", exit, stderr.String())
	}
	if noted := u.noted(t); !strings.Contains(noted, "u_1") || strings.Contains(noted, "crl_secret") {
		t.Fatalf("noted is %s", noted)
	}
}

// second makes a file beside the first.
func (u *uploading) second(t *testing.T, content []byte) (path string) {
	t.Helper()
	path = filepath.Join(filepath.Dir(u.file), "tiny-2.gguf")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestUploadGoesOnInAnotherRun(t *testing.T) {
	h := &warehouse{t: t}
	u := newUploading(t, h)
	second := u.second(t, []byte("and this"))
	for _, tc := range []struct {
		paths []string
		want  []byte
		shown string
	}{
		{[]string{u.file}, u.content, "upload tiny.gguf: done, 781 KiB"},
		{[]string{second, u.file}, append([]byte("and this"), u.content...), "upload tiny-2.gguf and 1 more: done, 781 KiB"},
	} {
		h.begun = 0
		u.interrupted(t, h, tc.paths...)
		o := run(t, u.environment, "", append([]string{"model", "upload"}, tc.paths...)...)
		if o.exit != 0 || strings.Contains(o.stderr, string(client.UploadHashing)) || !strings.Contains(o.stderr, tc.shown) {
			t.Errorf("exit %d\n%s", o.exit, o.stderr)
		}
		if h.begun != 1 || !bytes.Equal(h.content.Bytes(), tc.want) {
			t.Errorf("%d uploads were begun, and %d bytes came", h.begun, h.content.Len())
		}
		if noted := u.noted(t); noted != "" {
			t.Errorf("noted is still %s", noted)
		}
	}
}

// TestWhatMakesAnotherUpload has a run not go on with what is another upload, and with
// what an earlier version of the program noted.
func TestWhatMakesAnotherUpload(t *testing.T) {
	h := &warehouse{t: t}
	u := newUploading(t, h)
	second := u.second(t, []byte("and this"))
	for name, change := range map[string]func() (args []string){
		"the files in another order": func() []string { return []string{second, u.file} },
		"one of the files":           func() []string { return []string{u.file} },
		"another name":               func() []string { return []string{u.file, second, "--name", "other"} },
		"a file that has changed":    func() []string { return []string{u.file, u.second(t, []byte("or that!"))} },
		"a note of before": func() []string {
			notes, err := os.ReadDir(u.notes)
			if err != nil || len(notes) != 1 {
				t.Fatalf("noted are %v, %v", notes, err)
			}
			if err := os.WriteFile(filepath.Join(u.notes, notes[0].Name()), []byte(`{"sha256":"00","id":"u_1"}`), 0o600); err != nil {
				t.Fatal(err)
			}
			return []string{u.file, second}
		},
	} {
		t.Run(name, func(t *testing.T) {
			u.second(t, []byte("and this"))
			u.interrupted(t, h, u.file, second)
			h.begun = 0
			o := run(t, u.environment, "", append([]string{"model", "upload"}, change()...)...)
			if o.exit != 0 || h.begun != 1 || !strings.Contains(o.stderr, string(client.UploadHashing)) {
				t.Errorf("exit %d, and %d uploads were begun\n%s", o.exit, h.begun, o.stderr)
			}
			if err := os.RemoveAll(u.notes); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestTwoRunsOfOneUpload(t *testing.T) {
	h := &warehouse{t: t}
	u := newUploading(t, h)
	h.cut = func() {
		if o := run(t, u.environment, "", "model", "upload", u.file); o.exit != exitFailed || !strings.Contains(o.stderr, "another corral uploads") {
			t.Errorf("exit %d\n%s", o.exit, o.stderr)
		}
	}
	if o := run(t, u.environment, "", "model", "upload", u.file); o.exit != 0 {
		t.Errorf("exit %d\n%s", o.exit, o.stderr)
	}
	if !bytes.Equal(h.content.Bytes(), u.content) {
		t.Error("other bytes came")
	}
}

func TestUploadWithoutAHome(t *testing.T) {
	h := &warehouse{t: t}
	u := newUploading(t, h)
	for _, state := range []string{"", "/dev/null/x"} {
		h.content.Reset()
		u.environment["XDG_STATE_HOME"] = state
		o := run(t, u.environment, "", "model", "upload", u.file)
		if o.exit != 0 || !bytes.Equal(h.content.Bytes(), u.content) || (state != "") != strings.Contains(o.stderr, "a later run can't go on") {
			t.Errorf("exit %d\n%s", o.exit, o.stderr)
		}
	}
}

func TestUploadOfAFolder(t *testing.T) {
	h := &warehouse{t: t}
	u := newUploading(t, h)
	folder := filepath.Join(t.TempDir(), "Tiny Model-1.5B_it")
	for _, name := range []string{"model.safetensors", "config.json", ".gitattributes", ".cache/huggingface/x.lock"} {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(folder, "empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(u.file, filepath.Join(folder, "tiny.gguf")); err != nil { // as in a cache of Hugging Face
		t.Fatal(err)
	}
	all := []string{"config.json", "model.safetensors", "tiny.gguf"}
	for _, tc := range []struct {
		args  []string
		name  string
		files []string
	}{
		{[]string{folder}, "Tiny-Model-1.5B_it", all},
		{[]string{folder + "/"}, "Tiny-Model-1.5B_it", all},
		{[]string{folder, "--name", "mine"}, "mine", all},
		{[]string{u.second(t, nil), folder}, "", append([]string{"tiny-2.gguf"}, all...)},
	} {
		o := run(t, u.environment, "", append([]string{"model", "upload"}, tc.args...)...)
		if o.exit != 0 || h.start.Name != tc.name || !slices.Equal(h.start.names(), tc.files) {
			t.Errorf("%q: exit %d, begun with %+v\n%s", tc.args, o.exit, h.start, o.stderr)
		}
	}
	if want := "config.json\nmodel.safetensors\n" + string(u.content); h.content.String() != want {
		t.Errorf("%d bytes came, or others than the files have", h.content.Len())
	}
	h.begun = 0
	refused := func(part string) {
		t.Helper()
		o := run(t, u.environment, "", "model", "upload", folder)
		if o.exit != exitUsage || !strings.Contains(o.stderr, part) || h.begun != 0 {
			t.Errorf("exit %d, and %d uploads were begun\n%s", o.exit, h.begun, o.stderr)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "empty", "weights.bin"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refused(`has files in its folder "empty"`)
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(folder, ".git"), 0o700); err != nil {
		t.Fatal(err)
	}
	refused("has no files")
}
