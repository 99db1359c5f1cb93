package uploadapi_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
	"github.com/corral-fleet/corral/controlplane/internal/sqlite"
	"github.com/corral-fleet/corral/controlplane/internal/uploadapi"
	"github.com/corral-fleet/corral/controlplane/internal/uploads"
	"github.com/corral-fleet/corral/controlplane/internal/uploads/uploadstest"
)

// fixture is the API over real parts, but for what becomes of the files.
type fixture struct {
	*relaytest.Server
	t    *testing.T
	sink *uploadstest.Sink
	dir  string
	api  *uploadapi.API
	most int64
}

func start(t *testing.T) *fixture {
	t.Helper()
	return startWith(t, 0)
}

// startWith starts the API on a disk of which so much is left free.
func startWith(t *testing.T, reserveBytes int64) *fixture {
	t.Helper()
	f := &fixture{t: t, dir: t.TempDir()}
	f.sink = &uploadstest.Sink{Dir: filepath.Join(f.dir, "models")}
	if err := os.Mkdir(f.sink.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.OpenState(t.Context(), f.dir, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	most := func() int64 { return f.most }
	service := uploads.New(uploads.Options{
		Store: store, Sink: f.sink, Folder: filepath.Join(f.dir, "uploads"), MaxBytes: most,
		ReserveBytes: reserveBytes, KeepFor: 24 * time.Hour, Log: hclog.NewNullLogger(), Now: time.Now,
	})
	if err := service.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.api = uploadapi.New(service, most)
	f.Server = relaytest.Serve(t, f.api.Routes())
	return f
}

// tus sends a request of the protocol with an operator's key.
func (f *fixture) tus(method, path, body string, header ...string) relaytest.Result {
	f.t.Helper()
	return f.Do(edge.Operate, method, path, body, append([]string{"Tus-Resumable: 1.0.0"}, header...)...)
}

func (f *fixture) patch(path string, offset int, body string, header ...string) relaytest.Result {
	f.t.Helper()
	return f.tus("PATCH", path, body, append([]string{"Content-Type: application/offset+octet-stream", fmt.Sprint("Upload-Offset: ", offset)}, header...)...)
}

// begin begins an upload of tiny.gguf and returns its path.
func (f *fixture) begin(size int, pairs ...string) string {
	f.t.Helper()
	res := f.tus("POST", "/api/uploads", "", fmt.Sprint("Upload-Length: ", size), "Upload-Metadata: "+metadata(append([]string{"filename", "tiny.gguf"}, pairs...)...))
	if res.Status != 201 {
		f.t.Fatalf("%d %s", res.Status, res.Body)
	}
	return res.Header.Get("Location")
}

func metadata(pairs ...string) string {
	var list []string
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, pairs[i]+" "+base64.StdEncoding.EncodeToString([]byte(pairs[i+1])))
	}
	return strings.Join(list, ",")
}

func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)}).Read(b)
	return string(b)
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func (f *fixture) wantTaken(content string) {
	f.t.Helper()
	if got, err := f.sink.Content(digest(content)); err != nil || string(got) != content {
		f.t.Errorf("the sink has %d bytes, %v", len(got), err)
	}
}

func (f *fixture) wantNothingLeft() {
	f.t.Helper()
	entries, err := os.ReadDir(filepath.Join(f.dir, "uploads"))
	if err != nil || len(entries) != 0 {
		f.t.Errorf("the staging folder has %v, %v", entries, err)
	}
}

func wantStatus(t *testing.T, what string, res relaytest.Result, status int, code string) {
	t.Helper()
	var body struct{ Code, Error string }
	_ = json.Unmarshal([]byte(res.Body), &body)
	if res.Status != status || body.Code != code || code != "" && body.Error == "" {
		t.Errorf("%s: %d %s %v, want %d with %q", what, res.Status, res.Body, res.Err, status, code)
	}
}

func wantFields(t *testing.T, what string, res relaytest.Result, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for name := range want {
		got[name] = res.Header.Get(name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: %s", what, diff)
	}
}

func TestPermissions(t *testing.T) {
	relaytest.CheckPermissions(t, start(t).api.Routes())
}

// send sends text on a new connection.
func (f *fixture) send(text string) net.Conn {
	f.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.URL, "http://"))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		f.t.Fatal(err)
	}
	return conn
}

// await waits until the last that was heard of an upload is as it should be.
func (f *fixture) await(what string, good func(uploadstest.Change) bool) {
	f.t.Helper()
	for deadline := time.Now().Add(relaytest.Patience); ; time.Sleep(time.Millisecond) {
		if changes := f.sink.Changes(); len(changes) > 0 && good(changes[len(changes)-1]) {
			return
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// awaitReceived waits until the service has read so many bytes of an upload.
func (f *fixture) awaitReceived(n int64) {
	f.t.Helper()
	f.await(fmt.Sprint(n, " bytes"), func(c uploadstest.Change) bool { return c.ReceivedBytes >= n })
}

// The guide knows what the server says of the protocol, and every field that it keeps.
func TestTheGuideIsWhole(t *testing.T) {
	text, err := os.ReadFile("../../../docs/uploads.md")
	if err != nil {
		t.Fatal(err)
	}
	f := start(t)
	res := f.Do(0, "OPTIONS", "/api/uploads", "")
	words := strings.Split(res.Header.Get("Tus-Extension")+","+res.Header.Get("Tus-Checksum-Algorithm"), ",")
	at := f.begin(1, "name", "a", "description", "d", "storage", "default", "hosts", "h", "quantize", "q4_0", "sha256", digest("x"))
	for pair := range strings.SplitSeq(f.tus("HEAD", at, "").Header.Get("Upload-Metadata"), ",") {
		key, _, _ := strings.Cut(pair, " ")
		words = append(words, key)
	}
	if len(words) != 14 {
		t.Errorf("the server says %q", words)
	}
	for _, word := range words {
		if !strings.Contains(string(text), "`"+word+"`") {
			t.Errorf("the guide has no %s", word)
		}
	}
}

// Where the disk has no room, nothing is taken.
func TestNoRoomOnTheDisk(t *testing.T) {
	f := startWith(t, 1<<60)
	wantStatus(t, "tus", f.tus("POST", "/api/uploads", "", "Upload-Length: 1", "Upload-Metadata: "+metadata("name", "a")), 507, "no_space")
	body, contentType := form(part{"file", "f", "x"})
	wantStatus(t, "a form", f.Do(edge.Operate, "POST", "/api/models", body, contentType), 507, "no_space")
	f.wantNothingLeft()
}
