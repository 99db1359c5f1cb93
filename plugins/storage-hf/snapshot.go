package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/corral-fleet/corral/plugins/internal/served"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
)

// How large an answer may be, and how many files a repository may have.
const (
	maxAnswerBytes = 16 << 20
	maxFiles       = 100_000
)

// snapshot is what a commit has.
type snapshot struct {
	repo   string
	commit string
	files  map[string]storage.Info // by path
}

// maxSnapshots is how many are kept.
const maxSnapshots = 64

// snapshot returns what a revision was when it was listed last, or is where it never was.
func (h *hub) snapshot(ctx context.Context, r revision) (*snapshot, error) {
	h.mu.Lock()
	s := h.snapshots[r.folder]
	h.mu.Unlock()
	if s != nil {
		return s, ctx.Err()
	}
	return h.take(ctx, r)
}

// take finds out what a revision is now.
func (h *hub) take(ctx context.Context, r revision) (*snapshot, error) {
	h.mu.Lock()
	s := h.snapshots[r.folder]
	h.mu.Unlock()
	if s != nil && r.isCommit() {
		return s, ctx.Err()
	}
	commit, err := h.commitOf(ctx, r)
	if err != nil {
		return nil, err
	}
	if s == nil || s.commit != commit {
		if s, err = h.tree(ctx, r, commit); err != nil {
			return nil, err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.snapshots) >= maxSnapshots {
		clear(h.snapshots)
	}
	h.snapshots[r.folder] = s
	return s, nil
}

// commitOf asks which commit a revision is.
func (h *hub) commitOf(ctx context.Context, r revision) (string, error) {
	var answer struct {
		SHA string `json:"sha"`
	}
	_, err := h.ask(ctx, h.endpoint+"/api/models/"+r.repo+"/revision/"+url.PathEscape(r.name), "look for "+r.folder, &answer)
	if err == nil && !isName(answer.SHA, "") {
		err = fault.New(fault.Internal, "the hub does not say which commit %s is", r.folder).On(fault.Service)
	}
	return answer.SHA, err
}

// treeEntry is a file or a folder of a commit.
type treeEntry struct {
	Type string `json:"type"`
	Path string `json:"path"`
	OID  string `json:"oid"`
	Size int64  `json:"size"`
	LFS  *struct {
		OID  string `json:"oid"` // the sha256
		Size int64  `json:"size"`
	} `json:"lfs"`
}

// tree asks for all files of a commit.
func (h *hub) tree(ctx context.Context, r revision, commit string) (*snapshot, error) {
	s := &snapshot{repo: r.repo, commit: commit, files: map[string]storage.Info{}}
	at := h.endpoint + "/api/models/" + r.repo + "/tree/" + commit
	for query := "recursive=true"; query != ""; {
		var page []treeEntry
		header, err := h.ask(ctx, at+"?"+query, "list the files of "+r.folder, &page)
		if err != nil {
			return nil, err
		}
		for _, e := range page {
			if info, ok := e.info(r.folder); ok {
				s.files[e.Path] = info
			}
		}
		if len(s.files) > maxFiles {
			return nil, fault.New(fault.TooLarge, "%s has more than %d files", r.folder, maxFiles).On(fault.Service)
		}
		query = next(header)
	}
	return s, nil
}

// info returns what a listing tells of a file, and false where it is none that has a key.
func (e *treeEntry) info(folder string) (storage.Info, bool) {
	info := storage.Info{Key: folder + e.Path, SizeBytes: e.Size, Version: e.OID}
	if e.LFS != nil {
		info.SizeBytes, info.Version = e.LFS.Size, e.LFS.OID
		if served.CheckSHA256(e.LFS.OID) {
			info.SHA256 = e.LFS.OID
		}
	}
	return info, e.Type == "file" && storage.CheckKey(info.Key) == nil && info.SizeBytes >= 0
}

// next returns the query by which a listing goes on, "" where it does not. The address
// that the hub tells is its own, and not that of a mirror which passes its answers on.
func next(header http.Header) string {
	for link := range strings.SplitSeq(header.Get("Link"), ",") {
		target, relation, _ := strings.Cut(strings.TrimSpace(link), ";")
		if u, err := url.Parse(strings.Trim(target, "<> ")); err == nil && strings.Contains(relation, `rel="next"`) {
			return u.RawQuery
		}
	}
	return ""
}

// ask asks the hub's API.
func (h *hub) ask(ctx context.Context, at, what string, into any) (http.Header, error) {
	text, header, err := h.Bytes(ctx, served.Request{URL: at, What: what}, maxAnswerBytes)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "the hub's answer is not what it should be when the plugin was to %s", what).On(fault.Service)
	}
	return header, nil
}
