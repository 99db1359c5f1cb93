package client_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/sdk/client"
	"github.com/corral-fleet/corral/sdk/fault"
)

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

// beginning is the state of one that is to begin, and that the control plane may have begun.
func beginning(u *tusUpload, files ...[]byte) client.UploadState {
	s := read(files...)
	s.Key = strings.Trim(u.key, `"`)
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
	if diff := cmp.Diff([]client.UploadState{read(file), beginning(u, file), begun("u_1", file), {}}, states); diff != "" {
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

func TestAnUploadThatIsCancelledMeanwhile(t *testing.T) {
	server, file := newTus(t), content(1<<20)
	server.cut = func(int) int64 { return 1 << 19 }
	server.broken = func() { clear(server.uploads) } // with the lock held
	_, err := serve(t, server.ServeHTTP).UploadModel(t.Context(), upload(file), client.UploadOptions{})
	const want = "the control plane has the upload no more: it was cancelled, or nothing came to it for too long"
	if fault.KindOf(err) != fault.NotFound || err.Error() != want {
		t.Errorf("got %v, want %q", err, want)
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

// Where the answer to an announcement is lost, the same is announced again, also by a
// later run, and the control plane has one upload.
func TestTheAnswerToTheBeginningIsLost(t *testing.T) {
	server, file := newTus(t), content(1000)
	c := serve(t, server.ServeHTTP)
	var state client.UploadState
	keep := func(s client.UploadState) { state = s }
	server.unanswered = 3
	ctx, interrupt := context.WithCancel(t.Context())
	_, err := c.UploadModel(ctx, upload(file), client.UploadOptions{Keep: keep, Progress: func(p client.UploadProgress) {
		if p.Phase == client.UploadWaiting {
			interrupt()
		}
	}})
	if fault.KindOf(err) != fault.Canceled || !cmp.Equal(state, beginning(server.only(), file)) {
		t.Fatalf("interrupted when it had begun: %v, and left is %+v", err, state)
	}
	if _, err := c.UploadModel(t.Context(), upload(file), client.UploadOptions{State: state, Keep: keep}); err != nil {
		t.Fatal(err)
	}
	if u := server.only(); !bytes.Equal(u.content.Bytes(), file) {
		t.Error("other bytes came")
	}
	if n := server.count("POST"); n != 5 { // to check, three without an answer, and one with
		t.Errorf("it was announced %d times", n)
	}
	if !state.IsZero() {
		t.Errorf("%+v is left to go on with", state)
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
