package live

import (
	"context"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/storages"
	"github.com/corral-fleet/corral/sdk/fault"
)

// shelf is a storage "default" with a folder and a file, a page each.
type shelf struct{}

func (shelf) Files(_ context.Context, name string, q storages.Query) (storages.Listing, error) {
	switch {
	case name != "" && name != "default":
		return storages.Listing{}, fault.New(fault.NotFound, "there is no storage named %q", name)
	case q.Prefix == "panic":
		panic("oh")
	case q.Prefix == "none/":
		return storages.Listing{Files: []storages.File{}, Storage: "default"}, nil
	case q.Cursor == "":
		return storages.Listing{Files: []storages.File{{Path: "a/", Storage: "default", URL: "s3://b/a/", Folder: true}}, Cursor: "2", Storage: "default"}, nil
	}
	return storages.Listing{Files: []storages.File{{Path: "b", Size: 7, Modified: "2026-01-02T03:04:05Z", Storage: "default", URL: "s3://b/b"}}, Storage: "default"}, nil
}

const (
	firstPage  = `[{"path":"a/","size":0,"modified":"","storage":"default","url":"s3://b/a/","folder":true}]`
	secondPage = `[{"path":"b","size":7,"modified":"2026-01-02T03:04:05Z","storage":"default","url":"s3://b/b"}]`
)

func TestStoragesAreBrowsedPageByPage(t *testing.T) {
	f := start(t, echoes, nil)
	raw := f.raw()
	for _, step := range [][2]string{
		{`{"event":"browse_storage","id":1}`, `{"type":"storage_files","data":` + firstPage + `,"id":1,"cursor":"2","storage":"default"}`},
		{`{"event":"browse_storage","data":{"storage":"default","cursor":"2"}}`, `{"type":"storage_files","data":` + secondPage + `,"cursor":"","storage":"default"}`},
		{`{"event":"browse_storage","data":{"prefix":"none/"}}`, `{"type":"storage_files","data":[],"cursor":"","storage":"default"}`},
		{`{"event":"browse_storage","data":{"storage":"x"}}`, `{"type":"error","data":{"event":"browse_storage","code":"not_found","error":"there is no storage named \"x\""}}`},
		{`{"event":"browse_storage","data":{"limit":0}}`, `{"type":"error","data":{"event":"browse_storage","code":"invalid","error":"the field \"limit\" has to be from 1 to 1000"}}`},
	} {
		raw.say(step[0])
		raw.want(step[1])
	}
	raw.say(`{"event":"browse_storage","data":{"prefix":"panic"}}`)
	if got := raw.hearFrame(); got.Type != "error" || !strings.Contains(string(got.Data), `"internal"`) {
		t.Errorf("a panic: %s %s", got.Type, got.Data)
	}
	io := f.joined(`40{"token":"operator"}`)
	for _, step := range [][2]string{
		{`42["browse_storage",{}]`, `42["storage_files",` + firstPage + `,{"cursor":"2","storage":"default"}]`},
		{`425["browse_storage",{"cursor":"2"}]`, `435[` + secondPage + `,{"cursor":"","storage":"default"}]`},
	} {
		io.say(step[0])
		io.want(step[1])
	}
}
