package api

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
	"github.com/corral-fleet/corral/controlplane/internal/storages"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// file answers with a file, or with the part of it that is asked for. What was put
// there by a stranger is never shown by a browser as a page of ours.
func (a *API) file(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	key, err := pathOf(r)
	if err != nil {
		return nil, err
	}
	name := r.Param("name")
	file, err := a.Storages.File(ctx, name, key)
	if err != nil {
		return nil, err
	}
	resp := &edge.Response{Status: 200, Header: append(etagOf(file),
		edge.HeaderField{Name: "Content-Type", Value: "application/octet-stream"},
		edge.HeaderField{Name: "Content-Disposition", Value: mime.FormatMediaType("attachment", map[string]string{"filename": path.Base(key)})},
		edge.HeaderField{Name: "Content-Security-Policy", Value: "default-src 'none'; sandbox"},
		edge.HeaderField{Name: "Accept-Ranges", Value: "bytes"},
	)}
	etag := tag(file)
	if has := r.Header("If-None-Match"); etag != "" && (has == "*" || strings.Contains(has, etag)) {
		resp.Status = 304
		return resp, nil
	}
	part, kind := rangeOf(r, file.Size, etag)
	length := file.Size
	switch kind {
	case impossible:
		return beyond(file), nil
	case aPart:
		length = part.LengthBytes
		resp.Status = 206
		resp.Header = append(resp.Header, edge.HeaderField{
			Name: "Content-Range", Value: fmt.Sprintf("bytes %d-%d/%d", part.OffsetBytes, part.OffsetBytes+length-1, file.Size),
		})
	}
	if length == 0 {
		return resp, nil
	}
	resp.StreamBytes = length
	if r.Method == http.MethodHead {
		resp.Stream = io.NopCloser(strings.NewReader(""))
		return resp, nil
	}
	content, err := a.content(ctx, name, file, part, kind)
	if err != nil {
		return nil, err
	}
	resp.Stream = &exactly{ReadCloser: content, left: length, path: key}
	return resp, nil
}

// content reads a part of a file. A part has to be of the version that the client is
// told of, since the client may put it beside other parts.
func (a *API) content(ctx context.Context, name string, file storages.File, part storage.Range, kind rangeKind) (io.ReadCloser, error) {
	content, err := a.Storages.Read(ctx, name, file.Path, part)
	if err != nil || kind != aPart || file.Version == "" {
		return content, err
	}
	now, err := a.Storages.File(ctx, name, file.Path)
	if err == nil && now.Version != file.Version {
		err = fault.New(fault.Conflict, "the file %q is being replaced; ask again", file.Path)
	}
	if err != nil {
		_ = content.Close() // nothing was read
		return nil, err
	}
	return content, nil
}

// exactly is content of a length that was announced. Another length is an error, so
// that the connection breaks and nobody takes the answer for the file.
type exactly struct {
	io.ReadCloser

	left int64
	path string
}

// Read implements [io.Reader].
func (e *exactly) Read(p []byte) (int, error) {
	n, err := e.ReadCloser.Read(p)
	e.left -= int64(n)
	if e.left < 0 || err == io.EOF && e.left > 0 {
		return 0, fault.New(fault.Conflict, "the file %q was replaced while it was read", e.path)
	}
	return n, err
}

// beyond answers to a range that begins behind the file's end.
func beyond(file storages.File) *edge.Response {
	return &edge.Response{
		Status: 416,
		Header: []edge.HeaderField{
			{Name: "Content-Type", Value: "application/json; charset=utf-8"},
			{Name: "Content-Range", Value: fmt.Sprintf("bytes */%d", file.Size)},
			{Name: "Accept-Ranges", Value: "bytes"},
		},
		Body: edge.ErrorBody(edge.Dashboard, fault.New(fault.Invalid, "the range begins behind the end of the file, which has %d bytes", file.Size).On(fault.Caller)),
	}
}

// tag is the ETag of a file, where its version is known. Versions are opaque, and
// need not be what a tag may be.
func tag(f storages.File) string {
	if f.Version == "" {
		return ""
	}
	return `"` + base64.RawURLEncoding.EncodeToString([]byte(f.Version)) + `"`
}

// etagOf are the header fields that tell one version of a file from another.
func etagOf(f storages.File) []edge.HeaderField {
	var fields []edge.HeaderField
	if t := tag(f); t != "" {
		fields = append(fields, edge.HeaderField{Name: "ETag", Value: t})
	}
	if at, err := time.Parse(time.RFC3339Nano, f.Modified); err == nil {
		fields = append(fields, edge.HeaderField{Name: "Last-Modified", Value: at.UTC().Format(http.TimeFormat)})
	}
	return fields
}

// rangeKind is what a request says of a range.
type rangeKind int

const (
	whole rangeKind = iota // nothing that we follow
	aPart
	impossible // there is no such part
)

// rangeOf reads which part of a file of this size and version is asked for. Of
// several parts all of the file is told, which the client has to reckon with, and so
// where If-Range names another version.
func rangeOf(r *edge.Request, size int64, etag string) (storage.Range, rangeKind) {
	if condition := r.Header("If-Range"); condition != "" && condition != etag {
		return storage.Range{}, whole
	}
	spec, ok := strings.CutPrefix(r.Header("Range"), "bytes=")
	from, to, found := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok || !found || from == "" && to == "" {
		return storage.Range{}, whole
	}
	last := size - 1
	var first int64
	if from == "" {
		n, err := strconv.ParseUint(to, 10, 63)
		if err != nil {
			return storage.Range{}, whole
		}
		if n == 0 {
			return storage.Range{}, impossible
		}
		first = max(0, size-int64(n))
	} else {
		begin, err := strconv.ParseUint(from, 10, 63)
		if err != nil {
			return storage.Range{}, whole
		}
		first = int64(begin)
		if to != "" {
			end, err := strconv.ParseUint(to, 10, 63)
			if err != nil || end < begin {
				return storage.Range{}, whole
			}
			last = min(last, int64(end))
		}
	}
	if first >= size {
		return storage.Range{}, impossible
	}
	return storage.Range{OffsetBytes: first, LengthBytes: last - first + 1}, aPart
}
