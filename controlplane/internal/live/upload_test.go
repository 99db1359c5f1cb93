package live

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/corral-fleet/corral/controlplane/internal/fleet"
	"github.com/corral-fleet/corral/controlplane/internal/sqlite"
	"github.com/corral-fleet/corral/controlplane/internal/uploads"
	"github.com/corral-fleet/corral/controlplane/internal/uploads/uploadstest"
	"github.com/corral-fleet/corral/sdk/fault"
)

// fullDisk takes no uploads.
type fullDisk struct{}

func (fullDisk) Create(context.Context, uploads.Start) (fleet.Upload, error) {
	return fleet.Upload{}, fault.New(fault.NoSpace, "the disk is full")
}

func (fullDisk) Begin(context.Context, string, int64) (context.Context, *uploads.Batch, error) {
	return nil, nil, fault.New(fault.NoSpace, "the disk is full")
}

func (fullDisk) Import(_ context.Context, _ string, want fleet.Import, source string) (fleet.Model, error) {
	if source != "s3://bucket/m.gguf" {
		return fleet.Model{}, fault.New(fault.NotFound, "%q is in no storage", source)
	}
	return fleet.Model{Name: want.Name}, nil // which needs no disk
}

// A model of what a storage has needs no bytes.
func TestAModelOfAFileInAStorage(t *testing.T) {
	f := start(t, echoes, nil)
	c := f.raw()
	c.say(`{"event":"upload_model","data":{"name":"m:latest","source":"s3://bucket/m.gguf"},"id":1}`)
	if got := c.hearFrame(); got.Type != "model_progress" || !strings.Contains(string(got.Data), `"name":"m:latest"`) {
		t.Errorf("heard %s %s", got.Type, got.Data)
	}
	c.say(`{"event":"upload_model","data":{"name":"m:latest","source":"s3://other/m.gguf"},"id":2}`)
	if got := c.hearFrame(); got.Type != "error" || !strings.Contains(string(got.Data), "in no storage") {
		t.Errorf("heard %s %s", got.Type, got.Data)
	}
}

// takeUploads lets a fixture take uploads, and push how far they are.
func (f *fixture) takeUploads() (*uploads.Service, *uploadstest.Sink) {
	f.t.Helper()
	dir := f.t.TempDir()
	sink := &uploadstest.Sink{Dir: filepath.Join(dir, "models")}
	if err := os.Mkdir(sink.Dir, 0o700); err != nil {
		f.t.Fatal(err)
	}
	store, err := sqlite.OpenState(f.t.Context(), dir, hclog.NewNullLogger())
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		if err := store.Close(); err != nil {
			f.t.Errorf("close: %v", err)
		}
	})
	service := uploads.New(uploads.Options{
		Store: store, Sink: sink, Folder: filepath.Join(dir, "uploads"), MaxBytes: func() int64 { return 1 << 20 },
		KeepFor: time.Hour, Log: hclog.NewNullLogger(), Now: at,
	})
	if err := service.Load(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	f.uploads = service
	return service, sink
}

// hears returns the data of the next frame of this type.
func (c *client) hears(kind string) json.RawMessage {
	c.t.Helper()
	for {
		if f := c.hearFrame(); f.Type == kind {
			return f.Data
		}
	}
}

func TestUploadOfASmallFile(t *testing.T) {
	f := start(t, echoes, nil)
	_, sink := f.takeUploads()
	content := base64.StdEncoding.EncodeToString([]byte("GGUF"))
	sum := "5ae3a72a94fe7b7943d5c8bf92d7f2a6ad52f55c53ad0a42bfc0a9b5b8f96a6a" // of something else
	c := f.raw()
	c.say(`{"event":"upload_model","data":{"name":"tiny","filename":"tiny.gguf","content":"` + content + `","description":"d"},"id":1}`)
	c.want(`{"type":"model_progress","data":{"model_id":"` + fleet.ModelID("tiny") + `","progress":0,"status":"uploading","message":"","name":"tiny:latest","filename":"tiny.gguf","operation_id":"","operations":[]},"id":1}`)
	c.want(`{"type":"models_list","data":[],"id":1}`)
	if took := sink.Took(); len(took) != 1 || took[0].Name != "tiny:latest" || took[0].OwnerID != "o" || took[0].Files[0].SizeBytes != 4 || took[0].Description != "d" {
		t.Errorf("%+v", took)
	}

	io := f.joined(`40{"token":"operator"}`)
	io.say(`451-9["upload_model",{"name":"binary","filename":"b.gguf","size":3,"content":{"_placeholder":true,"num":0}}]`)
	io.sayBinary("\x00\x01\xff")
	if got := io.hear(); !strings.HasPrefix(got, `42["model_progress",{"model_id":"`+fleet.ModelID("binary")) {
		t.Error(got)
	}
	io.want(`439[[]]`)
	if got, err := sink.Content(sink.Took()[1].Files[0].SHA256); err != nil || string(got) != "\x00\x01\xff" {
		t.Errorf("%q, %v", got, err)
	}

	for data, want := range map[string]string{
		`{"name":"x","content":"?"}`:                                      `"code":"invalid","error":"the field \"content\" has to be base64"`,
		`{"name":"x","content":"` + content + `","size":5}`:               `"code":"invalid","error":"the field \"size\" is 5`,
		`{"name":"x","content":"` + content + `","sha256":"` + sum + `"}`: `"code":"invalid","error":"the sha256 of \"x-latest\" is`,
		`{"name":"a b","content":"` + content + `"}`:                      `"code":"invalid","error":"the field \"name\"`,
		`{"name":"x","storage":"s3","content":"` + content + `"}`:         `"code":"not_found"`,
		`{"name":"x"}`:                `"code":"invalid","error":"the field \"size\" is missing`,
		`{"name":"x","size":-1}`:      `"code":"invalid"`,
		`{"name":"x","size":1048577}`: `"code":"too_large"`,
		`{"name":5}`:                  `"code":"invalid"`,
	} {
		c.say(`{"event":"upload_model","data":` + data + `}`)
		if got := string(c.hears("error")); !strings.Contains(got, want) {
			t.Errorf("%s: %s", data, got)
		}
	}
	if len(sink.Took()) != 2 {
		t.Errorf("%+v", sink.Took())
	}
}

// What is too large to come along is told where to go.
func TestUploadOfALargeFile(t *testing.T) {
	f := start(t, echoes, nil)
	service, sink := f.takeUploads()
	c := f.raw()
	c.say(`{"event":"upload_model","data":{"filename":"tiny.gguf","size":4},"id":1}`)
	var first ModelProgress
	if err := json.Unmarshal(c.hears("model_progress"), &first); err != nil {
		t.Fatal(err)
	}
	id, ok := strings.CutPrefix(first.UploadURL, "/api/uploads/")
	if !ok || first.ModelID != fleet.ModelID("tiny") || first.Progress != 0 || first.Status != "uploading" {
		t.Errorf("%+v", first)
	}
	if _, err := service.Append(t.Context(), id, uploads.Piece{SizeBytes: 4, Body: strings.NewReader("GGUF")}); err != nil {
		t.Fatal(err)
	}
	// What is known is done at once, and has to go nowhere.
	c.say(`{"event":"upload_model","data":{"name":"same","size":4,"sha256":"` + sink.Took()[0].Files[0].SHA256 + `"},"id":2}`)
	if got := string(c.hears("model_progress")); strings.Contains(got, "upload_url") || len(sink.Took()) != 2 {
		t.Errorf("%s, taken %+v", got, sink.Took())
	}
	io := f.joined(`40{"token":"operator"}`)
	io.say(`427["upload_model",{"filename":"tiny.gguf","size":4}]`)
	if got := io.hear(); !strings.HasPrefix(got, `437[{"model_id":"`) || !strings.Contains(got, `"upload_url":"/api/uploads/u_`) {
		t.Error(got)
	}
}
