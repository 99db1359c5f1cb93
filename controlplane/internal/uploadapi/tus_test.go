package uploadapi_test

import (
	"bufio"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
)

func TestTusUpload(t *testing.T) {
	content := random(300_000)
	f := start(t)
	f.most = 1 << 30
	for _, path := range []string{"/api/uploads", "/api/uploads/x"} {
		res := f.Do(0, "OPTIONS", path, "") // neither a key nor a version is needed to ask for those
		wantStatus(t, "options", res, 204, "")
		wantFields(t, "options", res, map[string]string{
			"Tus-Resumable": "1.0.0", "Tus-Version": "1.0.0", "Tus-Max-Size": "1073741824", "Tus-Checksum-Algorithm": "sha256,sha1",
			"Tus-Extension": "creation,creation-with-upload,checksum,termination,expiration",
		})
	}
	described := metadata("filename", "tiny.gguf", "name", "small", "description", "fine", "storage", "default", "hosts", "a, b", "quantize", "q4_0", "sha256", digest(content), "relativePath", "null")
	res := f.tus("POST", "/api/uploads", "", "Upload-Length: 300000", "Upload-Metadata: "+described+",empty")
	wantStatus(t, "create", res, 201, "")
	at := res.Header.Get("Location")
	wantFields(t, "create", res, map[string]string{"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Corral-Model": fleet.ModelID("small")})
	if when, err := http.ParseTime(res.Header.Get("Upload-Expires")); err != nil || time.Until(when) < 23*time.Hour {
		t.Errorf("expires at %s, %v", when, err)
	}

	res = f.patch(at, 0, content[:100_000])
	wantStatus(t, "first piece", res, 204, "")
	wantFields(t, "first piece", res, map[string]string{"Tus-Resumable": "1.0.0", "Upload-Offset": "100000"})
	res = f.tus("HEAD", at, "")
	wantStatus(t, "head", res, 200, "")
	wantFields(t, "head", res, map[string]string{
		"Upload-Offset": "100000", "Upload-Length": "300000", "Cache-Control": "no-store",
		"Upload-Metadata": metadata("name", "small:latest", "filename", "tiny.gguf", "description", "fine", "storage", "default", "hosts", "a,b", "quantize", "q4_0", "sha256", digest(content)),
	})
	wantStatus(t, "a piece that was there", f.patch(at, 0, content[:100_000]), 409, "conflict")
	wantStatus(t, "last piece", f.patch(at, 100_000, content[100_000:]), 204, "")
	f.wantTaken(content)
	f.wantNothingLeft()
	want := fleet.Import{Name: "small:latest", Description: "fine", Storage: "default", Hosts: []string{"a", "b"}, Quantize: "q4_0"}
	if diff := cmp.Diff(want, f.sink.Took()[0].Import); diff != "" {
		t.Error(diff)
	}
	wantFields(t, "head of one that is done", f.tus("HEAD", at, ""), map[string]string{"Upload-Offset": "300000", "Upload-Length": "300000", "Upload-Expires": ""})
}

func TestTusCreationWithUpload(t *testing.T) {
	f := start(t)
	res := f.tus("POST", "/api/uploads", "hel", "Upload-Length: 5", "Upload-Metadata: "+metadata("name", "a"), "Content-Type: application/offset+octet-stream")
	wantStatus(t, "the beginning", res, 201, "")
	wantFields(t, "the beginning", res, map[string]string{"Upload-Offset": "3"})
	wantStatus(t, "the rest", f.patch(res.Header.Get("Location"), 3, "lo"), 204, "")
	f.wantTaken("hello")

	res = f.tus("POST", "/api/uploads", "whole", "Upload-Length: 5", "Upload-Metadata: "+metadata("name", "b"), "Content-Type: application/offset+octet-stream")
	wantStatus(t, "all at once", res, 201, "")
	wantFields(t, "all at once", res, map[string]string{"Upload-Offset": "5"})
	f.wantTaken("whole")

	wrong := "Upload-Checksum: sha1 " + base64.StdEncoding.EncodeToString(make([]byte, 20))
	res = f.tus("POST", "/api/uploads", "hello", "Upload-Length: 5", "Upload-Metadata: "+metadata("name", "b"), "Content-Type: application/offset+octet-stream", wrong)
	wantStatus(t, "damaged", res, 201, "")
	wantFields(t, "damaged", res, map[string]string{"Upload-Offset": "0"})

	wantStatus(t, "too much", f.tus("POST", "/api/uploads", "123456", "Upload-Length: 5", "Upload-Metadata: "+metadata("name", "b"), "Content-Type: application/offset+octet-stream"), 413, "too_large")
	wantStatus(t, "another type", f.tus("POST", "/api/uploads", "hello", "Upload-Length: 5", "Upload-Metadata: "+metadata("name", "b"), "Content-Type: application/json"), 415, "invalid")
}

// What is known already is done when it begins; a client that sends it all the same is
// told where it is.
func TestTusKnownContent(t *testing.T) {
	f := start(t)
	wantStatus(t, "the first one", f.patch(f.begin(5), 0, "hello"), 204, "")
	res := f.tus("POST", "/api/uploads", "", "Upload-Length: 5", "Upload-Metadata: "+metadata("name", "other", "sha256", digest("hello")))
	wantStatus(t, "the second one", res, 201, "")
	wantFields(t, "the second one", res, map[string]string{"Upload-Offset": "5"})
	at := res.Header.Get("Location")
	wantStatus(t, "all of it again", f.patch(at, 0, "hello"), 409, "conflict")
	wantFields(t, "where it is", f.tus("HEAD", at, ""), map[string]string{"Upload-Offset": "5", "Upload-Length": "5"})
	if len(f.sink.Took()) != 2 {
		t.Errorf("taken: %+v", f.sink.Took())
	}
}

func TestTusChecksum(t *testing.T) {
	f := start(t)
	at := f.begin(10)
	good := sha1.Sum([]byte("01234"))
	sums := func(algorithm string, sum []byte) string {
		return "Upload-Checksum: " + algorithm + " " + base64.StdEncoding.EncodeToString(sum)
	}
	wantStatus(t, "another piece", f.patch(at, 0, "01235", sums("sha1", good[:])), 460, "invalid")
	wantFields(t, "where it is", f.tus("HEAD", at, ""), map[string]string{"Upload-Offset": "0"})
	wantStatus(t, "sha1", f.patch(at, 0, "01234", sums("sha1", good[:])), 204, "")
	rest := sha256.Sum256([]byte("56789"))
	wantStatus(t, "an unknown algorithm", f.patch(at, 5, "56789", sums("crc32", rest[:4])), 400, "invalid")
	wantStatus(t, "a short checksum", f.patch(at, 5, "56789", sums("sha256", rest[:31])), 400, "invalid")
	wantStatus(t, "no base64", f.patch(at, 5, "56789", "Upload-Checksum: sha256 ?"), 400, "invalid")
	wantStatus(t, "sha256", f.patch(at, 5, "56789", sums("sha256", rest[:])), 204, "")
	f.wantTaken("0123456789")
}

func TestTusRefusals(t *testing.T) {
	f := start(t)
	f.most = 1000
	named := "Upload-Metadata: " + metadata("name", "a")
	create := func(header ...string) relaytest.Result { return f.tus("POST", "/api/uploads", "", header...) }
	wantStatus(t, "no length", create(named), 400, "invalid")
	wantStatus(t, "a length that is none", create(named, "Upload-Length: -1"), 400, "invalid")
	wantStatus(t, "a length for later", create(named, "Upload-Defer-Length: 1"), 400, "invalid")
	wantStatus(t, "a part of another", create(named, "Upload-Length: 1", "Upload-Concat: partial"), 400, "invalid")
	wantStatus(t, "too large", create(named, "Upload-Length: 1001"), 413, "too_large")
	wantStatus(t, "more than a number", create(named, "Upload-Length: 99999999999999999999"), 400, "invalid")
	wantStatus(t, "no name", create("Upload-Length: 1"), 400, "invalid")
	wantStatus(t, "broken metadata", create("Upload-Length: 1", "Upload-Metadata: name ???"), 400, "invalid")
	wantStatus(t, "metadata twice", create("Upload-Length: 1", "Upload-Metadata: name YQ==,name Yg=="), 400, "invalid")
	for _, hostile := range []string{strings.Repeat("x", 300), "../../etc/passwd", "a\x00b", "🦙", "a b", "\xff\xfe", "a/b/c/d"} {
		wantStatus(t, fmt.Sprintf("the name %.10q", hostile), create("Upload-Length: 1", "Upload-Metadata: "+metadata("name", hostile)), 400, "invalid")
	}
	wantStatus(t, "an unknown storage", create("Upload-Length: 1", "Upload-Metadata: "+metadata("name", "a", "storage", "s3")), 404, "not_found")

	at := f.begin(10)
	wantStatus(t, "no offset", f.tus("PATCH", at, "x", "Content-Type: application/offset+octet-stream"), 400, "invalid")
	wantStatus(t, "another type", f.tus("PATCH", at, "x", "Content-Type: application/octet-stream", "Upload-Offset: 0"), 415, "invalid")
	wantStatus(t, "more than is missing", f.patch(at, 0, "01234567890"), 413, "too_large")
	for _, version := range []string{"X: y", "Tus-Resumable: 0.2.2"} {
		res := f.Do(edge.Operate, "HEAD", at, "", version)
		wantStatus(t, "another version", res, 412, "")
		wantFields(t, "another version", res, map[string]string{"Tus-Version": "1.0.0", "Tus-Resumable": "1.0.0"})
	}
	unknown := "/api/uploads/u_unknown"
	wantStatus(t, "unknown", f.patch(unknown, 0, "x"), 404, "not_found")
	wantStatus(t, "unknown", f.tus("DELETE", unknown, ""), 404, "not_found")
	res := f.tus("HEAD", unknown, "")
	wantStatus(t, "unknown", res, 404, "")
	wantFields(t, "unknown", res, map[string]string{"Tus-Resumable": "1.0.0"})
	wantStatus(t, "a path in an id", f.tus("DELETE", "/api/uploads/..%2f..%2fstate.db", ""), 404, "not_found")

	wrong := f.begin(5, "sha256", digest("hello"))
	wantStatus(t, "another content", f.patch(wrong, 0, "world"), 400, "invalid")
	wantStatus(t, "and then", f.patch(wrong, 5, ""), 410, "conflict")
	wantStatus(t, "and then", f.tus("HEAD", wrong, ""), 410, "")
}

func TestTusTermination(t *testing.T) {
	f := start(t)
	at := f.begin(10)
	wantStatus(t, "a piece", f.patch(at, 0, "01234"), 204, "")
	wantStatus(t, "the end", f.tus("DELETE", at, ""), 204, "")
	wantStatus(t, "after that", f.tus("HEAD", at, ""), 404, "")
	f.wantNothingLeft()
}

func TestTusMethodOverride(t *testing.T) {
	f := start(t)
	at := f.begin(5)
	post := func(method, body string, header ...string) relaytest.Result {
		return f.tus("POST", at, body, append(header, "X-HTTP-Method-Override: "+method)...)
	}
	wantStatus(t, "patch", post("PATCH", "hel", "Content-Type: application/offset+octet-stream", "Upload-Offset: 0"), 204, "")
	wantFields(t, "head", post("head", ""), map[string]string{"Upload-Offset": "3"})
	wantStatus(t, "put", post("PUT", ""), 400, "invalid")
	wantStatus(t, "delete", post("DELETE", ""), 204, "")
}

// A client that comes back while its old connection is still there goes on where that
// was, and the old one is broken off with the protocol's word for it.
func TestTusReconnect(t *testing.T) {
	f := start(t)
	at := f.begin(10)
	old := f.send("PATCH " + at + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer operate\r\nTus-Resumable: 1.0.0\r\n" +
		"Content-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\nContent-Length: 10\r\n\r\n01234")
	f.awaitReceived(1)
	offset, err := strconv.Atoi(f.tus("HEAD", at, "").Header.Get("Upload-Offset"))
	if err != nil || offset < 1 || offset > 5 {
		t.Fatalf("goes on at %d, %v", offset, err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(old), nil)
	if err != nil || answer.StatusCode != 423 {
		t.Errorf("the old connection: %v, %v", answer, err)
	}
	wantStatus(t, "the rest", f.patch(at, offset, "0123456789"[offset:]), 204, "")
	f.wantTaken("0123456789")
}

// A client that vanishes leaves what it sent.
func TestTusBrokenLine(t *testing.T) {
	f := start(t)
	at := f.begin(10)
	for from, to := 0, 3; from < 10; from, to = to, min(to+3, 10) {
		conn := f.send(fmt.Sprintf("PATCH %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer operate\r\nTus-Resumable: 1.0.0\r\n"+
			"Content-Type: application/offset+octet-stream\r\nUpload-Offset: %d\r\nContent-Length: %d\r\n\r\n%s", at, from, 10-from, "0123456789"[from:to]))
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		f.awaitReceived(int64(to))
		if to < 10 {
			wantFields(t, "where it is", f.tus("HEAD", at, ""), map[string]string{"Upload-Offset": fmt.Sprint(to)})
		}
	}
	for f.tus("HEAD", at, "").Header.Get("Upload-Expires") != "" { // it is being finished
	}
	f.wantTaken("0123456789")
}

// Whoever can set nothing but a URL has its key in the one that it is told.
func TestTusKeyInTheURL(t *testing.T) {
	f := start(t)
	res := f.Do(0, "POST", "/k/operate/api/uploads", "", "Tus-Resumable: 1.0.0", "Upload-Length: 5", "Upload-Metadata: "+metadata("name", "a"))
	wantStatus(t, "create", res, 201, "")
	at := res.Header.Get("Location")
	if !strings.HasPrefix(at, "/k/operate/api/uploads/u_") {
		t.Errorf("at %s", at)
	}
	wantStatus(t, "patch", f.Do(0, "PATCH", at, "hello", "Tus-Resumable: 1.0.0", "Upload-Offset: 0", "Content-Type: application/offset+octet-stream"), 204, "")
}
