package uploadapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/uploads/uploadstest"
)

// part is a part of a form.
type part struct{ name, filename, content string }

func form(parts ...part) (body, contentType string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		if p.filename == "" {
			_ = w.WriteField(p.name, p.content)
			continue
		}
		to, _ := w.CreateFormFile(p.name, p.filename)
		_, _ = io.WriteString(to, p.content)
	}
	_ = w.Close()
	return b.String(), "Content-Type: " + w.FormDataContentType()
}

func TestForm(t *testing.T) {
	content := random(700_001)
	file, name := part{"file", "tiny.gguf", content}, part{"name", "", "small"}
	described, sum := part{"description", "", "fine"}, part{"sha256", "", digest(content)}
	hosts, more := part{"hosts", "", "a,b"}, part{"hosts", "", `["c"]`}
	for what, parts := range map[string][]part{
		"fields first": {name, described, hosts, more, sum, file},
		"file first":   {file, hosts, more, name, described, sum, {"later", "", "unknown"}},
		"in between":   {hosts, name, {"hosts", "", ""}, file, more, sum, described},
	} {
		f := start(t)
		body, contentType := form(parts...)
		res := f.Do(edge.Operate, "POST", "/api/models", body, contentType)
		wantStatus(t, what, res, 200, "")
		var model fleet.Model
		if err := json.Unmarshal([]byte(res.Body), &model); err != nil || model.ID != fleet.ModelID("small") || model.SizeBytes != 700_001 {
			t.Errorf("%s: %s, %v", what, res.Body, err)
		}
		f.wantTaken(content)
		f.wantNothingLeft()
		want := fleet.Import{Name: "small:latest", Description: "fine", Hosts: []string{"a", "b", "c"}}
		if diff := cmp.Diff(want, f.sink.Took()[0].Import); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
}

func TestFormOfSeveralFiles(t *testing.T) {
	f := start(t)
	body, contentType := form(part{"file", "a-00001-of-00002.gguf", "one"}, part{"file", "a-00002-of-00002.gguf", "two"})
	res := f.Do(edge.Operate, "POST", "/api/models", body, contentType)
	wantStatus(t, "both", res, 200, "")
	took := f.sink.Took()
	if len(took) != 1 || len(took[0].Files) != 2 || took[0].Files[1].Name != "a-00002-of-00002.gguf" || took[0].Name != "a-00001-of-00002:latest" {
		t.Errorf("taken: %+v", took)
	}
}

func TestFormRefusals(t *testing.T) {
	f := start(t)
	f.most = 1000
	big := part{"file", "big.gguf", random(1001)}
	for what, c := range map[string]struct {
		parts  []part
		status int
		code   string
	}{
		"no file":                  {[]part{{"name", "", "a"}}, 400, "invalid"},
		"a file without a name":    {[]part{{"file", "", "x"}}, 400, "invalid"},
		"too large":                {[]part{big}, 413, "too_large"},
		"a name, before the file":  {[]part{{"name", "", "a b"}, big}, 400, "invalid"},
		"a name, after the file":   {[]part{{"file", "f", "x"}, {"name", "", strings.Repeat("x", 300)}}, 400, "invalid"},
		"an unknown storage":       {[]part{{"storage", "", "s3"}, big}, 404, "not_found"},
		"a wrong digest":           {[]part{{"file", "f", "x"}, {"sha256", "", digest("y")}}, 400, "invalid"},
		"a digest for one of two":  {[]part{{"file", "f", "x"}, {"file", "g", "y"}, {"sha256", "", digest("x")}}, 400, "invalid"},
		"a large field":            {[]part{{"description", "", strings.Repeat("x", 70_000)}}, 413, "too_large"},
		"a description of control": {[]part{{"description", "", "\x07"}}, 400, "invalid"},
		"hosts that are no list":   {[]part{{"hosts", "", "[1]"}}, 400, "invalid"},
		"too many fields":          {make([]part, 101), 400, "invalid"},
	} {
		body, contentType := form(c.parts...)
		wantStatus(t, what, f.Do(edge.Operate, "POST", "/api/models", body, contentType), c.status, c.code)
	}
	wantStatus(t, "JSON", f.Do(edge.Operate, "POST", "/api/models", "{}", "Content-Type: application/json"), 400, "invalid")
	wantStatus(t, "no boundary", f.Do(edge.Operate, "POST", "/api/models", "x", "Content-Type: multipart/form-data"), 400, "invalid")
	body, contentType := form(part{"file", "f", "some content"})
	wantStatus(t, "the end is missing", f.Do(edge.Operate, "POST", "/api/models", body[:len(body)-10], contentType), 400, "invalid")
	f.wantNothingLeft()
	if len(f.sink.Took()) != 0 {
		t.Errorf("taken: %+v", f.sink.Took())
	}
}

// A form that is cut leaves nothing.
func TestFormThatIsCut(t *testing.T) {
	f := start(t)
	body, contentType := form(part{"file", "f", random(400_000)})
	conn := f.send(fmt.Sprintf("POST /api/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer operate\r\n%s\r\nContent-Length: %d\r\n\r\n%s",
		contentType, len(body), body[:200_000]))
	f.awaitReceived(1)
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	f.await("the end of the upload", func(c uploadstest.Change) bool { return c.Upload.State == fleet.UploadRemoved })
	f.wantNothingLeft()
}
