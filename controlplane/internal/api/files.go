package api

import (
	"context"
	"strings"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/storages"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// defaultFiles is how many files are listed where nobody says.
const defaultFiles = 200

func (a *API) files(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	limit, err := integer(r.Query, "limit", defaultFiles, 1, storage.MaxPage)
	if err != nil {
		return nil, err
	}
	flat, err := boolean(r.Query, "flat")
	if err != nil {
		return nil, err
	}
	listing, err := a.Storages.Files(ctx, r.Param("name"), storages.Query{
		Prefix: r.Query.Get("prefix"), Cursor: r.Query.Get("cursor"), Flat: flat, Limit: limit,
	})
	if err != nil {
		return nil, err
	}
	return edge.JSON(200, listing)
}

// pathOf reads which file is meant.
func pathOf(r *edge.Request) (string, error) {
	path := r.Query.Get("path")
	if path == "" {
		return "", fault.New(fault.Invalid, "the parameter %q is missing or empty", "path").On(fault.Caller)
	}
	return path, storage.CheckKey(path)
}

// putFile stores what comes as a file. It is there when the answer has come, as a
// whole; else what was there before still is.
func (a *API) putFile(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	path, err := pathOf(r)
	if err != nil {
		return nil, err
	}
	sum := r.Query.Get("sha256")
	if len(sum) != 0 && !isDigest(sum) {
		return nil, fault.New(fault.Invalid, "the parameter %q has to be 64 hexadecimal digits", "sha256").On(fault.Caller)
	}
	onlyNew := strings.TrimSpace(r.Header("If-None-Match"))
	if onlyNew != "" && onlyNew != "*" {
		return nil, fault.New(fault.NotImplemented, "If-None-Match takes only * here: store the file where there is none")
	}
	if r.Header("Content-Range") != "" { // to store a part as a whole would lose the rest
		return nil, fault.New(fault.Invalid, "a file is stored as a whole, not by Content-Range").On(fault.Caller)
	}
	file, err := a.Storages.Write(ctx, r.Param("name"), path, storages.Upload{
		Content: r.Stream, SizeBytes: r.ContentLength, SHA256: sum, New: onlyNew != "",
	})
	if err != nil {
		return nil, err
	}
	a.Log.Info("file stored", "storage", file.Storage, "path", file.Path, "size", file.Size, "sha256", file.SHA256, "caller", r.Caller.ID)
	resp, err := edge.JSON(201, file)
	if err == nil {
		resp.Header = append(resp.Header, etagOf(file)...)
	}
	return resp, err
}

func isDigest(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

func (a *API) deleteFile(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	path, err := pathOf(r)
	if err != nil {
		return nil, err
	}
	name := r.Param("name")
	if err := a.Storages.Delete(ctx, name, path); err != nil {
		return nil, err
	}
	a.Log.Info("file deleted", "storage", name, "path", path, "caller", r.Caller.ID)
	return &edge.Response{Status: 204}, nil
}
