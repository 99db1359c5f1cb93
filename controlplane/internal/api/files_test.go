package api

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
	"github.com/corral-fleet/corral/controlplane/internal/storages"
	"github.com/corral-fleet/corral/sdk/storage"
)

const digits = "0123456789"

// put stores a file and returns what is said of it.
func put(t *testing.T, f *fixture, path, content string) storages.File {
	t.Helper()
	got := f.Do(edge.Operate, "PUT", "/api/storage/default/file?path="+path, content, "Content-Type: application/octet-stream")
	var file storages.File
	if err := json.Unmarshal([]byte(got.Body), &file); err != nil || got.Status != 201 {
		t.Fatalf("put %s: %d %s", path, got.Status, got.Body)
	}
	sum := sha256.Sum256([]byte(content))
	if file.SHA256 != hex.EncodeToString(sum[:]) || file.Size != int64(len(content)) {
		t.Errorf("put %s: %+v", path, file)
	}
	return file
}

func TestFilesAreListedInParts(t *testing.T) {
	f := start(t, relaytest.NoModels)
	for _, path := range []string{"b/1", "b/2", "a", "c%20%C3%BC%23"} {
		put(t, f, path, digits)
	}
	list := func(query string) storages.Listing {
		t.Helper()
		got := f.Do(edge.Read, "GET", "/api/storage/default/files?"+query, "")
		var l storages.Listing
		if err := json.Unmarshal([]byte(got.Body), &l); err != nil || got.Status != 200 {
			t.Fatalf("%s: %d %s", query, got.Status, got.Body)
		}
		return l
	}
	all := list("")
	if len(all.Files) != 3 || !all.Files[0].Folder || all.Files[0].Path != "b/" || all.Files[2].Path != "c ü#" || all.Files[2].URL != "storage://default/c ü#" || all.Storage != "default" {
		t.Errorf("all: %+v", all)
	}
	var paths []string
	for cursor, parts := "", 0; parts == 0 || cursor != ""; parts++ {
		part := list("flat=true&limit=3&cursor=" + cursor)
		cursor = part.Cursor
		for _, one := range part.Files {
			paths = append(paths, one.Path)
		}
	}
	if got := strings.Join(paths, ","); got != "a,b/1,b/2,c ü#" {
		t.Errorf("in parts: %s", got)
	}
	if below := list("prefix=b/"); len(below.Files) != 2 {
		t.Errorf("below b/: %+v", below)
	}
	for _, query := range []string{"limit=0", "limit=1001", "prefix=../", "cursor=nonsense"} {
		if got := f.Do(edge.Read, "GET", "/api/storage/default/files?"+query, ""); got.Status != 400 {
			t.Errorf("%s: %d %s", query, got.Status, got.Body)
		}
	}
}

func TestAFileIsReadInWholeAndInPart(t *testing.T) {
	f := start(t, relaytest.NoModels)
	put(t, f, "a/d%22.txt", digits)
	const path = "/api/storage/default/file?path=a/d%22.txt"
	whole := f.Do(edge.Read, "GET", path, "")
	etag := whole.Header.Get("ETag")
	if whole.Status != 200 || whole.Body != digits || whole.Header.Get("Content-Length") != "10" || len(etag) < 3 || whole.Header.Get("Accept-Ranges") != "bytes" ||
		whole.Header.Get("Content-Type") != "application/octet-stream" || whole.Header.Get("Content-Disposition") != `attachment; filename="d\".txt"` {
		t.Errorf("whole: %d %s %v", whole.Status, whole.Body, whole.Header)
	}
	if head := f.Do(edge.Read, "HEAD", path, ""); head.Status != 200 || head.Header.Get("Content-Length") != "10" || head.Header.Get("ETag") != etag || head.Body != "" {
		t.Errorf("head: %d %v", head.Status, head.Header)
	}
	if same := f.Do(edge.Read, "GET", path, "", "If-None-Match: "+etag); same.Status != 304 || same.Body != "" {
		t.Errorf("not modified: %d %s", same.Status, same.Body)
	}
	for _, c := range []struct {
		header       string
		status       int
		body, around string
	}{
		{"Range: bytes=0-0", 206, "0", "bytes 0-0/10"},
		{"Range: bytes=3-5", 206, "345", "bytes 3-5/10"},
		{"Range: bytes=7-", 206, "789", "bytes 7-9/10"},
		{"Range: bytes=7-999999999999", 206, "789", "bytes 7-9/10"},
		{"Range: bytes=-2", 206, "89", "bytes 8-9/10"},
		{"Range: bytes=-99", 206, digits, "bytes 0-9/10"},
		{"Range: bytes=0-0,3-4", 200, digits, ""},
		{"Range: bytes=5-3", 200, digits, ""},
		{"Range: bytes=a-b", 200, digits, ""},
		{"Range: bytes=-", 200, digits, ""},
		{"Range: lines=0-1", 200, digits, ""},
		{"Range: bytes=10-", 416, "", "bytes */10"},
		{"Range: bytes=-0", 416, "", "bytes */10"},
	} {
		got := f.Do(edge.Read, "GET", path, "", c.header)
		if got.Status != c.status || got.Status != 416 && got.Body != c.body || got.Header.Get("Content-Range") != c.around {
			t.Errorf("%s: %d %s %s", c.header, got.Status, got.Body, got.Header.Get("Content-Range"))
		}
	}
	if got := f.Do(edge.Read, "GET", path, "", "Range: bytes=3-5", "If-Range: "+etag); got.Status != 206 || got.Body != "345" {
		t.Errorf("if it is this version: %d %s", got.Status, got.Body)
	}
	if got := f.Do(edge.Read, "GET", path, "", "Range: bytes=3-5", `If-Range: "another"`); got.Status != 200 || got.Body != digits {
		t.Errorf("if it is another version: %d %s", got.Status, got.Body)
	}
	put(t, f, "empty", "")
	if got := f.Do(edge.Read, "GET", "/api/storage/default/file?path=empty", ""); got.Status != 200 || got.Body != "" || got.Header.Get("Content-Length") != "0" {
		t.Errorf("empty: %d %v", got.Status, got.Header)
	}
}

// What is not there, and what is no path, is told by its status.
func TestFilesThatAreNone(t *testing.T) {
	f := start(t, relaytest.NoModels)
	for path, want := range map[string]int{"": 400, "x": 404, "../../bin/sh": 400, "/etc/passwd": 400, "a//b": 400, "%00": 400, strings.Repeat("x/", 513): 400} {
		for _, method := range []string{"GET", "HEAD", "PUT", "DELETE"} {
			expected := want
			if path == "x" && method == "DELETE" {
				expected = 204
			}
			if path == "x" && method == "PUT" {
				continue
			}
			if got := f.Do(edge.Operate, method, "/api/storage/default/file?path="+path, ""); got.Status != expected {
				t.Errorf("%s %.20s: %d %s", method, path, got.Status, got.Body)
			}
		}
	}
	if got := f.Do(edge.Read, "GET", "/api/storage/none/file?path=x", ""); got.Status != 404 {
		t.Errorf("no storage: %d", got.Status)
	}
}

func TestAPartIsOfTheVersionThatIsTold(t *testing.T) {
	f := start(t, relaytest.NoModels)
	put(t, f, "k", digits)
	f.plugin.beforeGet = func() {
		if err := f.plugin.Put(t.Context(), "k", storage.Bytes([]byte("abcdefghij"))); err != nil {
			t.Error(err)
		}
	}
	if got := f.Do(edge.Read, "GET", "/api/storage/default/file?path=k", "", "Range: bytes=3-5"); got.Status != 409 {
		t.Errorf("a part of another version: %d %s", got.Status, got.Body)
	}
	length := 9 // and each time one byte fewer: the client may ask again by itself
	f.plugin.beforeGet = func() {
		if err := f.plugin.Put(t.Context(), "k", storage.Bytes([]byte(digits[:length]))); err != nil {
			t.Error(err)
		}
		length--
	}
	if got := f.Do(edge.Read, "GET", "/api/storage/default/file?path=k", ""); got.Err == nil {
		t.Errorf("half an answer is taken for a whole one: %d %s", got.Status, got.Body)
	}
}

func TestAnUploadThatFailsChangesNothing(t *testing.T) {
	f := start(t, relaytest.NoModels)
	before := put(t, f, "k", digits)
	const path = "/api/storage/default/file?path=k"
	for name, c := range map[string]struct {
		query  string
		header string
		status int
	}{
		"another digest": {"&sha256=" + strings.Repeat("0", 64), "X-None: ", 400},
		"no digest":      {"&sha256=12", "X-None: ", 400},
		"there already":  {"", "If-None-Match: *", 409},
		"a version":      {"", `If-None-Match: "x"`, 501},
		"a part":         {"", "Content-Range: bytes 0-3/10", 400},
	} {
		if got := f.Do(edge.Operate, "PUT", path+c.query, "other", c.header); got.Status != c.status {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
	}
	// A client that leaves in the middle.
	req, err := http.NewRequestWithContext(t.Context(), "PUT", f.URL+path, io.MultiReader(strings.NewReader("half"), iotest.ErrReader(errReset)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+edge.Operate.String())
	if resp, err := http.DefaultTransport.RoundTrip(req); err == nil {
		resp.Body.Close()
		t.Errorf("half an upload: %d", resp.StatusCode)
	}
	if got := f.Do(edge.Read, "GET", path, ""); got.Body != digits {
		t.Errorf("the file is %q", got.Body)
	}
	if got := f.Do(edge.Operate, "PUT", path+"&sha256="+before.SHA256, digits); got.Status != 201 {
		t.Errorf("the right digest: %d %s", got.Status, got.Body)
	}
	if got := f.Do(edge.Operate, "PUT", "/api/storage/default/file?path=new", digits, "If-None-Match: *"); got.Status != 201 {
		t.Errorf("a new one: %d %s", got.Status, got.Body)
	}
	if got := f.Do(edge.Operate, "PUT", "/api/storage/default/file?path=big", strings.Repeat("x", 9<<20)); got.Status != 413 {
		t.Errorf("too large for the storage: %d %s", got.Status, got.Body)
	}
}
