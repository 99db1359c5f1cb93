package client_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
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
	// unanswered is how many announcements are taken of which the answer is lost.
	unanswered int

	mu       sync.Mutex
	uploads  map[string]*tusUpload
	requests []string
	patches  int
}

type tusUpload struct {
	key       string // under which it was begun
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
	u := &tusUpload{key: r.Header.Get("Idempotency-Key")}
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
	if len(u.key) < 20 || u.key[0] != '"' || u.key[len(u.key)-1] != '"' {
		s.t.Errorf("it is begun under %s", u.key)
	}
	known := true
	for _, f := range u.announced.Files {
		u.size += f.Size
		known = known && slices.Contains(s.known, f.SHA256)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := fmt.Sprintf("u_%d", len(s.uploads)+1)
	for begun, other := range s.uploads {
		if other.key == u.key {
			id, u = begun, other
		}
	}
	s.uploads[id] = u
	if s.unanswered--; s.unanswered >= 0 {
		panic(http.ErrAbortHandler)
	}
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
