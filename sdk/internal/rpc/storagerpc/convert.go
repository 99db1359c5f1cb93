package storagerpc

import (
	"net/http"
	"time"

	"github.com/corral-fleet/corral/sdk/internal/pb/storagev1"
	"github.com/corral-fleet/corral/sdk/storage"
)

func toObject(i storage.Info) *storagev1.Object {
	o := &storagev1.Object{Key: i.Key, SizeBytes: i.SizeBytes, Version: i.Version, Sha256: i.SHA256}
	if !i.ModifiedAt.IsZero() {
		o.ModifiedAtMs = i.ModifiedAt.UnixMilli()
	}
	return o
}

func fromObject(o *storagev1.Object) storage.Info {
	i := storage.Info{Key: o.GetKey(), SizeBytes: o.GetSizeBytes(), Version: o.GetVersion(), SHA256: o.GetSha256()}
	if o.GetModifiedAtMs() != 0 {
		i.ModifiedAt = time.UnixMilli(o.GetModifiedAtMs()).UTC()
	}
	return i
}

func toPage(p storage.Page) *storagev1.PageResponse {
	out := &storagev1.PageResponse{Folders: p.Folders, NextToken: p.NextToken}
	for _, o := range p.Objects {
		out.Objects = append(out.Objects, toObject(o))
	}
	return out
}

func fromPage(p *storagev1.PageResponse) storage.Page {
	out := storage.Page{Folders: p.GetFolders(), NextToken: p.GetNextToken()}
	for _, o := range p.GetObjects() {
		out.Objects = append(out.Objects, fromObject(o))
	}
	return out
}

func toPresigned(p storage.Presigned) *storagev1.PresignResponse {
	out := &storagev1.PresignResponse{Url: p.URL, ExpiresAtMs: p.ExpiresAt.UnixMilli()}
	for name, values := range p.Header {
		for _, v := range values {
			out.Header = append(out.Header, &storagev1.PresignResponse_Header{Name: name, Value: v})
		}
	}
	return out
}

func fromPresigned(p *storagev1.PresignResponse) storage.Presigned {
	out := storage.Presigned{URL: p.GetUrl(), ExpiresAt: time.UnixMilli(p.GetExpiresAtMs()).UTC()}
	for _, h := range p.GetHeader() {
		if out.Header == nil {
			out.Header = http.Header{}
		}
		out.Header.Add(h.GetName(), h.GetValue())
	}
	return out
}
