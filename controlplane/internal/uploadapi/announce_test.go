package uploadapi_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
)

// announce begins an upload by a body.
func (f *fixture) announce(body string, header ...string) relaytest.Result {
	f.t.Helper()
	return f.Do(edge.Operate, "POST", "/api/uploads", body, append([]string{"Content-Type: application/json; charset=utf-8"}, header...)...)
}

// Files that are announced in a body are one upload of tus.
func TestAnnouncedFiles(t *testing.T) {
	first, second := random(200_000), random(100_001)
	f := start(t)
	res := f.announce(fmt.Sprintf(`{"name": "big", "description": "fine", "storage": "default", "hosts": ["a", "b"], "quantize": "q4_0", "files": [
		{"filename": "big-00001-of-00003.gguf", "size": 200000, "sha256": %q}, {"filename": "big-00002-of-00003.gguf", "size": 100001},
		{"filename": "x/README", "size": 0, "sha256": ""}]}`, digest(first)))
	wantStatus(t, "announced", res, 201, "")
	wantFields(t, "announced", res, map[string]string{"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Corral-Model": fleet.ModelID("big")})
	at := res.Header.Get("Location")
	content := first + second
	wantStatus(t, "the first file and some", f.patch(at, 0, content[:200_010]), 204, "")
	res = f.tus("HEAD", at, "")
	wantStatus(t, "head", res, 200, "")
	wantFields(t, "head", res, map[string]string{
		"Upload-Offset": "200010", "Upload-Length": "300001",
		"Upload-Metadata": metadata("name", "big:latest", "description", "fine", "storage", "default", "hosts", "a,b", "quantize", "q4_0"),
	})
	wantStatus(t, "the rest", f.patch(at, 200_010, content[200_010:]), 204, "")
	for _, one := range []string{first, second, ""} {
		if got, err := f.sink.Content(digest(one)); err != nil || string(got) != one {
			t.Errorf("%d bytes of %d, %v", len(got), len(one), err)
		}
	}
	f.wantNothingLeft()
	took := f.sink.Took()
	want := fleet.Import{Name: "big:latest", Description: "fine", Storage: "default", Hosts: []string{"a", "b"}, Quantize: "q4_0"}
	if diff := cmp.Diff(want, took[0].Import); diff != "" {
		t.Error(diff)
	}
	if files := took[0].Files; len(files) != 3 || files[2].Name != "README" || files[1].SHA256 != digest(second) {
		t.Errorf("taken as %+v", files)
	}

	res = f.announce(fmt.Sprintf(`{"name": "other", "files": [{"filename": "a", "size": 200000, "sha256": %q}, {"filename": "b", "size": 100001, "sha256": %q}]}`,
		digest(first), digest(second)))
	wantStatus(t, "what is known", res, 201, "")
	wantFields(t, "what is known", res, map[string]string{"Upload-Offset": "300001"})
}

func TestAnnouncementsThatAreRefused(t *testing.T) {
	f := start(t)
	f.most = 1000
	for what, c := range map[string]struct {
		body   string
		status int
		code   string
	}{
		"no JSON":            {`files`, 400, "invalid"},
		"no object":          {`[]`, 400, "invalid"},
		"no files":           {`{"name": "a"}`, 400, "invalid"},
		"files that are one": {`{"name": "a", "files": {"filename": "f", "size": 1}}`, 400, "invalid"},
		"no size":            {`{"files": [{"filename": "f"}]}`, 400, "invalid"},
		"half a byte":        {`{"files": [{"filename": "f", "size": 0.5}]}`, 400, "invalid"},
		"a negative size":    {`{"files": [{"filename": "f", "size": -1}]}`, 400, "invalid"},
		"a giant":            {`{"files": [{"filename": "f", "size": 99999999999999999999}]}`, 400, "invalid"},
		"giants":             {`{"files": [{"filename": "f", "size": 9223372036854775807}, {"filename": "g", "size": 9223372036854775807}]}`, 413, "too_large"},
		"together too large": {`{"files": [{"filename": "f", "size": 600}, {"filename": "g", "size": 401}]}`, 413, "too_large"},
		"one name twice":     {`{"files": [{"filename": "f", "size": 1}, {"filename": "f", "size": 1}]}`, 400, "invalid"},
		"a digest":           {`{"files": [{"filename": "f", "size": 1, "sha256": "x"}]}`, 400, "invalid"},
		"a name":             {`{"name": "a b", "files": [{"filename": "f", "size": 1}]}`, 400, "invalid"},
		"an unknown storage": {`{"storage": "s3", "files": [{"filename": "f", "size": 1}]}`, 404, "not_found"},
		"a long body":        {`{"name": "a", "description": "` + strings.Repeat("x", 1<<20) + `"}`, 413, "too_large"},
	} {
		res := f.announce(c.body)
		wantStatus(t, what, res, c.status, c.code)
		var said struct{ Error string }
		if err := json.Unmarshal([]byte(res.Body), &said); err != nil || said.Error == "" {
			t.Errorf("%s: %s", what, res.Body)
		}
	}
	f.wantNothingLeft()
	wantStatus(t, "one that is only checked, and too large", f.announce(`{"check": true, "files": [{"filename": "f", "size": 1001}]}`), 413, "too_large")
	res := f.announce(`{"check": true, "files": [{"filename": "f", "size": 1000}]}`)
	wantStatus(t, "one that is only checked", res, 204, "")
	if at := res.Header.Get("Location"); at != "" {
		t.Errorf("it is begun at %s", at)
	}
	f.wantNothingLeft()
	wantStatus(t, "a viewer", f.Do(edge.Infer, "POST", "/api/uploads", `{}`, "Content-Type: application/json"), 403, "forbidden")
}

// An announcement whose answer was lost is made again, and finds what it began.
func TestAnAnnouncementThatIsMadeAgain(t *testing.T) {
	f := start(t)
	begun := make(chan string, 1)
	f.sink.Tell = func(u fleet.Upload, _ int64) {
		select {
		case begun <- u.ID:
		default:
		}
	}
	const body = `{"name": "big", "files": [{"filename": "a", "size": 3}, {"filename": "b", "size": 2}]}`
	line := f.send(fmt.Sprintf("POST /api/uploads HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nIdempotency-Key: \"k 1\"\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", edge.Operate, len(body), body))
	id := relaytest.Await(t, begun, "the upload to begin")
	if err := line.Close(); err != nil { // without its answer being read
		t.Fatal(err)
	}
	const key = `Idempotency-Key: "k 1"`
	at := "/api/uploads/" + id
	res := f.announce(body, key)
	wantStatus(t, "again", res, 201, "")
	wantFields(t, "again", res, map[string]string{"Location": at, "Upload-Offset": "0", "Tus-Resumable": "1.0.0", "Corral-Model": fleet.ModelID("big")})
	wantStatus(t, "a piece", f.patch(at, 0, "abc"), 204, "")
	res = f.announce(` {"files": [{"size": 3, "filename": "a"}, {"filename": "b", "size": 2}], "name": "big:latest"}`, key)
	wantStatus(t, "in other words", res, 201, "")
	wantFields(t, "in other words", res, map[string]string{"Location": at, "Upload-Offset": "3"})
	wantStatus(t, "of something else", f.announce(strings.Replace(body, "3", "4", 1), key), 422, "invalid")
	wantStatus(t, "the rest", f.patch(at, 3, "de"), 204, "")
	res = f.announce(body, key)
	wantStatus(t, "when it is done", res, 201, "")
	wantFields(t, "when it is done", res, map[string]string{"Location": at, "Upload-Offset": "5"})
	if took := f.sink.Took(); len(took) != 1 {
		t.Errorf("taken: %+v", took)
	}
	if other := f.announce(body, "Idempotency-Key: k2"); other.Status != 201 || other.Header.Get("Location") == at {
		t.Errorf("by another key it is %+v", other)
	}

	failing := strings.Replace(body, `"size": 2`, `"size": 2, "sha256": "`+digest("no")+`"`, 1)
	at = f.announce(failing, "Idempotency-Key: k3").Header.Get("Location")
	wantStatus(t, "other bytes", f.patch(at, 0, "abcde"), 400, "invalid")
	wantStatus(t, "of one that has failed", f.announce(failing, "Idempotency-Key: k3"), 410, "conflict")
	for _, bad := range []string{`""`, `"a`, `a"b`, `"a\b"`, "ä", strings.Repeat("x", 256)} {
		wantStatus(t, "the key "+bad, f.announce(body, "Idempotency-Key: "+bad), 400, "invalid")
	}
}
