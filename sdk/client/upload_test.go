package client_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/fault"
)

// tusServer takes uploads as a control plane does, and fails as it is told to.
type tusServer struct {
	t *testing.T
	// cut, where it isn't nil, returns after how many bytes of a piece the connection breaks;
	// negative is not at all.
	cut func(patches int) int64
	// broken, where it isn't nil, hears of that before the client does.
	broken func()
	// fail, where it isn't nil, may answer a request in the server's place.
	fail func(w http.ResponseWriter, r *http.Request) bool
	// known are the sha256 of content that is there already.
	known []string
	// refuse is why what is announced is refused; empty takes it.
	refuse string

	mu       sync.Mutex
	uploads  map[string]*tusUpload
	requests []string
	patches  int
}

type tusUpload struct {
	announced announced
	size      int64
	content   bytes.Buffer
	failed    string // why, once it has
}

// announced is what an upload begins with.
type announced struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Storage     string          `json:"storage"`
	Hosts       []string        `json:"hosts"`
	Quantize    string          `json:"quantize"`
	From        string          `json:"from"`
	Files       []announcedFile `json:"files"`
	Check       bool            `json:"check"`
}

type announcedFile struct {
	Filename string `json:"filename"`
	Size     int64  `json:"size"`
	SHA256   string `json:"sha256"`
}

// check fails an upload of which a file is there and has another digest than was said.
func (u *tusUpload) check() {
	b := u.content.Bytes()
	for _, f := range u.announced.Files {
		if int64(len(b)) < f.Size {
			return
		}
		if sum := digestOf(b[:f.Size]); sum != f.SHA256 {
			u.failed = fmt.Sprintf("the sha256 of %s is %s, not %s", f.Filename, sum, f.SHA256)
			return
		}
		b = b[f.Size:]
	}
}

func newTus(t *testing.T) *tusServer {
	return &tusServer{t: t, uploads: map[string]*tusUpload{}}
}

func (s *tusServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+r.URL.Path)
	s.mu.Unlock()
	if s.fail != nil && s.fail(w, r) {
		return
	}
	if name, ok := strings.CutPrefix(r.URL.Path, "/api/models/"); ok {
		fmt.Fprintf(w, `{"id":"m_1","name":%q,"status":"uploading"}`, name)
		return
	}
	if v := r.Header.Get("Tus-Resumable"); v != "1.0.0" {
		s.t.Errorf("%s %s: Tus-Resumable is %q", r.Method, r.URL.Path, v)
	}
	w.Header().Set("Tus-Resumable", "1.0.0")
	if r.Method == http.MethodPost {
		s.create(w, r)
		return
	}
	s.mu.Lock()
	u := s.uploads[strings.TrimPrefix(r.URL.Path, "/api/uploads/")]
	s.mu.Unlock()
	if u == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	switch r.Method {
	case http.MethodHead:
		s.mu.Lock()
		defer s.mu.Unlock()
		if u.failed != "" {
			w.WriteHeader(http.StatusGone)
			return
		}
		w.Header().Set("Upload-Offset", strconv.Itoa(u.content.Len()))
		w.Header().Set("Upload-Length", strconv.FormatInt(u.size, 10))
	case http.MethodPatch:
		s.patch(w, r, u)
	}
}

func (s *tusServer) create(w http.ResponseWriter, r *http.Request) {
	u := &tusUpload{}
	said := json.NewDecoder(r.Body)
	said.DisallowUnknownFields()
	if err := said.Decode(&u.announced); err != nil || r.Header.Get("Content-Type") != "application/json" || r.URL.Path != "/api/uploads" {
		s.t.Errorf("POST %s with %q: %v", r.URL.Path, r.Header.Get("Content-Type"), err)
	}
	if s.refuse != "" {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":%q,"code":"invalid"}`, s.refuse)
		return
	}
	if u.announced.Check {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	known := true
	for _, f := range u.announced.Files {
		u.size += f.Size
		known = known && slices.Contains(s.known, f.SHA256)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := fmt.Sprintf("u_%d", len(s.uploads)+1)
	s.uploads[id] = u
	w.Header().Set("Location", "http://elsewhere.example/k/crl_test/api/uploads/"+id)
	w.Header().Set("Upload-Offset", "0")
	if known {
		w.Header().Set("Upload-Offset", strconv.FormatInt(u.size, 10))
	}
	w.WriteHeader(http.StatusCreated)
}

func (s *tusServer) patch(w http.ResponseWriter, r *http.Request, u *tusUpload) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.patches++
	if r.Header.Get("Content-Type") != "application/offset+octet-stream" {
		s.t.Errorf("a piece has the type %q", r.Header.Get("Content-Type"))
	}
	if u.failed != "" {
		w.WriteHeader(http.StatusGone)
		fmt.Fprintf(w, `{"error":%q,"code":"conflict"}`, "the upload has failed: "+u.failed)
		return
	}
	if r.Header.Get("Upload-Offset") != strconv.Itoa(u.content.Len()) {
		w.WriteHeader(http.StatusConflict)
		return
	}
	limit := int64(-1)
	if s.cut != nil {
		limit = s.cut(s.patches)
	}
	if limit >= 0 {
		if _, err := io.CopyN(&u.content, r.Body, limit); err != nil {
			s.t.Error(err)
		}
		u.check()
		if s.broken != nil {
			s.broken()
		}
		panic(http.ErrAbortHandler)
	}
	if _, err := io.Copy(&u.content, r.Body); err != nil {
		panic(http.ErrAbortHandler)
	}
	if u.check(); u.failed != "" {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":%q,"code":"invalid"}`, u.failed)
		return
	}
	w.Header().Set("Upload-Offset", strconv.Itoa(u.content.Len()))
	w.WriteHeader(http.StatusNoContent)
}

// only returns the single upload that there is.
func (s *tusServer) only() *tusUpload {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.uploads) != 1 {
		s.t.Fatalf("%d uploads were begun", len(s.uploads))
	}
	return s.uploads["u_1"]
}

// upload returns the one with this id.
func (s *tusServer) upload(id string) *tusUpload {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.uploads[id] == nil {
		s.t.Fatalf("there is no upload %s", id)
	}
	return s.uploads[id]
}

// count returns how many requests begin so.
func (s *tusServer) count(prefix string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		if strings.HasPrefix(r, prefix) {
			n++
		}
	}
	return n
}

// content is bytes that are no others'.
func content(sizeBytes int) []byte {
	b := make([]byte, sizeBytes)
	rand.NewChaCha8([32]byte{7}).Read(b)
	return b
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// read is the state of an upload whose files have been read.
func read(files ...[]byte) (s client.UploadState) {
	for _, f := range files {
		s.SHA256 = append(s.SHA256, digestOf(f))
	}
	return s
}

// begun is the state of one that the control plane knows.
func begun(id string, files ...[]byte) client.UploadState {
	s := read(files...)
	s.ID = id
	return s
}

func upload(b []byte) client.ModelUpload {
	return client.ModelUpload{
		Name: "tiny", Description: "Größer, and\nlonger", Storage: "default", Hosts: []string{"gpu-1", "gpu-2"}, Quantize: "q4_K_M",
		Files: []client.UploadFile{{Name: "tiny.gguf", Content: bytes.NewReader(b), SizeBytes: int64(len(b))}},
	}
}

// What a control plane would not take is not read first.
func TestAnUploadThatIsRefusedIsNotRead(t *testing.T) {
	server := newTus(t)
	server.refuse = "files are missing: b.gguf"
	what := upload(nil)
	what.Files = []client.UploadFile{{Name: "a.gguf", Content: unread{t}, SizeBytes: 1 << 40}}
	_, err := serve(t, server.ServeHTTP).UploadModel(t.Context(), what, client.UploadOptions{})
	if fault.KindOf(err) != fault.Invalid || fault.MessageOf(err) != server.refuse {
		t.Errorf("got %v", err)
	}
	if n := server.count("POST"); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
}

// unread is a file that nobody should read.
type unread struct{ t *testing.T }

func (u unread) ReadAt([]byte, int64) (int, error) {
	u.t.Error("the file is read")
	return 0, io.EOF
}

func TestUploadModel(t *testing.T) {
	server, file := newTus(t), content(3<<20)
	var states []client.UploadState
	var last client.UploadProgress
	m, err := serve(t, server.ServeHTTP).UploadModel(t.Context(), upload(file), client.UploadOptions{
		Keep: func(s client.UploadState) { states = append(states, s) },
		Progress: func(p client.UploadProgress) {
			if p.TotalBytes != int64(len(file)) || p.Phase == last.Phase && p.DoneBytes < last.DoneBytes {
				t.Errorf("progress goes from %+v to %+v", last, p)
			}
			last = p
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if m.Name != "tiny" || m.Status != "uploading" {
		t.Errorf("the model is %+v", m)
	}
	u := server.only()
	if !bytes.Equal(u.content.Bytes(), file) {
		t.Error("other bytes came")
	}
	if diff := cmp.Diff(announced{
		Name: "tiny", Description: "Größer, and\nlonger", Storage: "default", Hosts: []string{"gpu-1", "gpu-2"}, Quantize: "q4_K_M",
		Files: []announcedFile{{"tiny.gguf", 3 << 20, digestOf(file)}},
	}, u.announced); diff != "" {
		t.Errorf("it was begun with (-want +got)\n%s", diff)
	}
	if last.Phase != client.UploadSending || last.DoneBytes != int64(len(file)) {
		t.Errorf("the last progress is %+v", last)
	}
	if diff := cmp.Diff([]client.UploadState{read(file), begun("u_1", file), {}}, states); diff != "" {
		t.Errorf("states (-want +got)\n%s", diff)
	}
}

func TestAnUploadGoesOnWhereItsConnectionBroke(t *testing.T) {
	server, file := newTus(t), content(2<<20)
	server.cut = func(patches int) int64 {
		if patches <= 10 {
			return 150_000
		}
		return -1
	}
	waits := 0
	_, err := serve(t, server.ServeHTTP).UploadModel(t.Context(), upload(file), client.UploadOptions{Progress: func(p client.UploadProgress) {
		if p.Phase != client.UploadWaiting {
			return
		}
		waits++
		if fault.KindOf(p.Err) != fault.Unavailable {
			t.Errorf("it waits for %v", p.Err)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if u := server.only(); !bytes.Equal(u.content.Bytes(), file) {
		t.Errorf("%d bytes came, and not those of the file", u.content.Len())
	}
	if n := server.count("PATCH"); n != 11 || waits != 10 {
		t.Errorf("%d pieces were sent, and it waited %d times", n, waits)
	}
}

func TestAnUploadGoesOnInAnotherRun(t *testing.T) {
	server, file := newTus(t), content(1<<20)
	ctx, interrupt := context.WithCancel(t.Context())
	server.cut, server.broken = func(int) int64 { return 1 << 19 }, interrupt
	var state client.UploadState
	keep := func(s client.UploadState) { state = s }
	c := serve(t, server.ServeHTTP)
	if _, err := c.UploadModel(ctx, upload(file), client.UploadOptions{Keep: keep}); fault.KindOf(err) != fault.Canceled {
		t.Fatalf("got %v, want fault.Canceled", err)
	}
	server.cut = nil
	_, err := c.UploadModel(t.Context(), upload(file), client.UploadOptions{State: state, Keep: keep, Progress: func(p client.UploadProgress) {
		if p.Phase != client.UploadSending || p.DoneBytes < 1<<19 {
			t.Errorf("it does again what was done: %+v", p)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if u := server.only(); !bytes.Equal(u.content.Bytes(), file) {
		t.Error("other bytes came")
	}
	if !state.IsZero() {
		t.Errorf("%+v is left to go on with", state)
	}
}

func TestAnUploadThatIsGoneBeginsAnew(t *testing.T) {
	server, file := newTus(t), content(1000)
	_, err := serve(t, server.ServeHTTP).UploadModel(t.Context(), upload(file), client.UploadOptions{State: begun("u_7", file)})
	if err != nil {
		t.Fatal(err)
	}
	if u := server.only(); !bytes.Equal(u.content.Bytes(), file) {
		t.Error("other bytes came")
	}
}

func TestAFileThatIsKnownIsNotSent(t *testing.T) {
	server, file := newTus(t), content(1000)
	server.known = []string{digestOf(file)}
	if _, err := serve(t, server.ServeHTTP).UploadModel(t.Context(), upload(file), client.UploadOptions{}); err != nil {
		t.Fatal(err)
	}
	if n := server.count("PATCH"); n != 0 {
		t.Errorf("%d pieces were sent", n)
	}
}

func TestAnEmptyFile(t *testing.T) {
	server := newTus(t)
	if _, err := serve(t, server.ServeHTTP).UploadModel(t.Context(), upload(nil), client.UploadOptions{}); err != nil {
		t.Fatal(err)
	}
	if u := server.only(); u.size != 0 || u.content.Len() != 0 {
		t.Errorf("it has %d of %d bytes", u.content.Len(), u.size)
	}
	if n := server.count("PATCH"); n != 1 {
		t.Errorf("that it is there was asked for %d times", n)
	}
}

func TestTheAnswerToTheLastByteIsLost(t *testing.T) {
	server, file := newTus(t), content(1000)
	server.cut = func(patches int) int64 {
		if patches == 1 {
			return 1000
		}
		return -1
	}
	if _, err := serve(t, server.ServeHTTP).UploadModel(t.Context(), upload(file), client.UploadOptions{}); err != nil {
		t.Fatal(err)
	}
	if u := server.only(); !bytes.Equal(u.content.Bytes(), file) {
		t.Error("other bytes came")
	}
}

func TestUploadsThatAreRefused(t *testing.T) {
	refuse := func(method string, status int, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == method {
				w.WriteHeader(status)
				io.WriteString(w, body)
			}
			return r.Method == method
		}
	}
	second := func(fail func(http.ResponseWriter, *http.Request) bool) func(http.ResponseWriter, *http.Request) bool {
		before := 0 // one request at a time
		return func(w http.ResponseWriter, r *http.Request) bool {
			before++
			return before > 1 && fail(w, r)
		}
	}
	const says = `{"error":"it says why","code":%q}`
	for _, tc := range []struct {
		name  string
		fail  func(http.ResponseWriter, *http.Request) bool
		kind  fault.Kind
		state client.UploadState // that is left
	}{
		{"too large", refuse("POST", 413, fmt.Sprintf(says, "too_large")), fault.TooLarge, client.UploadState{}},
		{"no such storage", refuse("POST", 404, fmt.Sprintf(says, "not_found")), fault.NotFound, client.UploadState{}},
		{"stored meanwhile", second(refuse("POST", 409, fmt.Sprintf(says, "conflict"))), fault.Conflict, read(content(1000))},
		{"no room", refuse("PATCH", 507, fmt.Sprintf(says, "no_space")), fault.NoSpace, begun("u_1", content(1000))},
		{"no model", refuse("PATCH", 400, fmt.Sprintf(says, "invalid")), fault.Invalid, client.UploadState{}},
		{"over", func(w http.ResponseWriter, r *http.Request) bool {
			return refuse("PATCH", 410, fmt.Sprintf(says, "conflict"))(w, r) || refuse("HEAD", 410, "")(w, r)
		}, fault.Conflict, client.UploadState{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := newTus(t)
			server.fail = tc.fail
			var state client.UploadState
			_, err := serve(t, server.ServeHTTP).UploadModel(t.Context(), upload(content(1000)), client.UploadOptions{Keep: func(s client.UploadState) { state = s }})
			if fault.KindOf(err) != tc.kind || fault.MessageOf(err) != "it says why" {
				t.Errorf("got %v, want %v", err, tc.kind)
			}
			if diff := cmp.Diff(tc.state, state); diff != "" {
				t.Errorf("left is (-want +got)\n%s", diff)
			}
		})
	}
}

// A control plane from before uploads began with a list of files wants what tus has.
func TestAnOlderControlPlane(t *testing.T) {
	server := newTus(t)
	server.fail = func(w http.ResponseWriter, r *http.Request) bool {
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"code":"invalid","error":"the header Upload-Length has to be a number of bytes"}`)
		return true
	}
	what := upload(nil)
	what.Files = []client.UploadFile{{Name: "a.gguf", Content: unread{t}, SizeBytes: 1 << 40}}
	_, err := serve(t, server.ServeHTTP).UploadModel(t.Context(), what, client.UploadOptions{})
	if fault.KindOf(err) != fault.NotImplemented || !strings.Contains(fault.MessageOf(err), "older than this program") {
		t.Errorf("got %v", err)
	}
}

func TestAnUploadThatStandsStillIsBrokenOff(t *testing.T) {
	server, file := newTus(t), content(16<<20)
	var why error
	var stood atomic.Bool
	brokenOff := make(chan struct{})
	server.fail = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPatch || stood.Swap(true) {
			return false
		}
		<-brokenOff // without a byte being read
		panic(http.ErrAbortHandler)
	}
	_, err := serve(t, server.ServeHTTP).UploadModel(t.Context(), upload(file), client.UploadOptions{
		Patience: 2500 * time.Millisecond,
		Progress: func(p client.UploadProgress) {
			if p.Phase == client.UploadWaiting && why == nil {
				why = p.Err
				close(brokenOff)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if why == nil || !strings.Contains(why.Error(), "nothing came through") {
		t.Errorf("it was broken off for %v", why)
	}
	if u := server.only(); !bytes.Equal(u.content.Bytes(), file) {
		t.Error("other bytes came")
	}
}

func TestAnUploadIsGivenUp(t *testing.T) {
	server := newTus(t)
	server.cut = func(int) int64 { return 0 }
	_, err := serve(t, server.ServeHTTP).UploadModel(t.Context(), upload(content(1000)), client.UploadOptions{Patience: time.Second})
	if fault.KindOf(err) != fault.Unavailable {
		t.Fatalf("got %v, want fault.Unavailable", err)
	}
	if n := server.count("PATCH"); n < 2 {
		t.Errorf("it was tried %d times", n)
	}
}

func TestAFileThatChanges(t *testing.T) {
	u := upload(content(1000))
	u.Files[0].SizeBytes = 2000
	c := serve(t, newTus(t).ServeHTTP)
	for _, state := range []client.UploadState{{}, read(nil)} { // while it is hashed, and while it is sent
		_, err := c.UploadModel(t.Context(), u, client.UploadOptions{State: state})
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "shorter") {
			t.Errorf("got %v, want fault.Invalid", err)
		}
	}
	if _, err := c.UploadModel(t.Context(), client.ModelUpload{}, client.UploadOptions{}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("no file is %v, want fault.Invalid", err)
	}
}

// zeros are as many as one reads.
type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	return len(p), nil
}

func TestAnUploadTakesLittleMemory(t *testing.T) {
	const size, count = 32 << 20, 8
	u := client.ModelUpload{Name: "x"}
	for i := range count {
		u.Files = append(u.Files, client.UploadFile{Name: strconv.Itoa(i), Content: zeros{}, SizeBytes: size})
	}
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			t.Error(err)
		}
		if r.Method == http.MethodPost {
			n = 0
		}
		w.Header().Set("Location", "/api/uploads/u_1")
		w.Header().Set("Upload-Offset", strconv.FormatInt(n, 10))
		io.WriteString(w, "{}")
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := c.UploadModel(t.Context(), u, client.UploadOptions{}); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 8<<20 { // of which 1 MiB is for hashing
		t.Errorf("%d bytes were allocated for %d", took, size*count)
	}
}
