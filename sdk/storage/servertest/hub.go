package servertest

import (
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// HubServer serves repositories of models as Hugging Face does: their revisions, the files
// of a commit in pages, and the files, of which the large ones are sent on to another
// host that knows nobody and wants nothing but what it has signed.
type HubServer struct {
	Endpoint string
	Token    string // of somebody who has accepted all terms

	cdn string

	mu      sync.Mutex
	repos   map[string]*hubRepo
	renamed map[string]string
	signed  map[string][]byte // by signature
	strange []string          // what the other host was asked and should not have been
}

type hubRepo struct {
	commits map[string]map[string][]byte
	main    string
	gated   bool
}

// hubPage is how many files a page of a tree has: fewer than Hugging Face has, so that
// there are several.
const hubPage = 2

// Hub returns a server without repositories, until the end of the test.
func Hub(t testing.TB) *HubServer {
	t.Helper()
	h := &HubServer{Token: "hf_" + rand.Text(), repos: map[string]*hubRepo{}, renamed: map[string]string{}, signed: map[string][]byte{}}
	cdn := httptest.NewServer(http.HandlerFunc(h.serveSigned))
	t.Cleanup(cdn.Close)
	h.cdn = strings.Replace(cdn.URL, "127.0.0.1", "localhost", 1) // which is another host
	hub := httptest.NewServer(http.HandlerFunc(h.serve))
	t.Cleanup(hub.Close)
	h.Endpoint = hub.URL
	t.Cleanup(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, what := range h.strange {
			t.Errorf("the host that files are sent on to was asked with %s", what)
		}
	})
	return h
}

// Publish commits files to a repository's main revision and returns the commit. Those
// whose names end in .gguf are large ones, however small they are.
func (h *HubServer) Publish(repo string, files map[string][]byte) (commit string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.repos[repo]
	if r == nil {
		r = &hubRepo{commits: map[string]map[string][]byte{}}
		h.repos[repo] = r
	}
	sum := sha1.Sum([]byte(rand.Text())) //nolint:gosec // commits are named so
	r.main = hex.EncodeToString(sum[:])
	r.commits[r.main] = maps.Clone(files)
	return r.main
}

// Gate has a repository show its files to nobody but the owner of the token.
func (h *HubServer) Gate(repo string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.repos[repo].gated = true
}

// Rename gives a repository another name. Its old one leads there.
func (h *HubServer) Rename(from, to string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.repos[to], h.renamed[from] = h.repos[from], to
	delete(h.repos, from)
}

// serve serves /api/models/ORG/REPO/revision/REVISION, …/tree/REVISION, and
// /ORG/REPO/resolve/REVISION/PATH.
func (h *HubServer) serve(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	authorization := r.Header.Get("Authorization")
	if authorization != "" && authorization != "Bearer "+h.Token {
		refuse(w, http.StatusUnauthorized, "", "Invalid username or password.")
		return
	}
	path, isAPI := strings.CutPrefix(r.URL.EscapedPath(), "/api/models/")
	if r.URL.Path == "/api/whoami-v2" || r.URL.Path == "/" {
		w.WriteHeader(http.StatusOK)
		return
	}
	part := strings.SplitN(strings.TrimPrefix(path, "/"), "/", 5)
	if len(part) < 4 {
		refuse(w, http.StatusNotFound, "", "Not found")
		return
	}
	name := part[0] + "/" + part[1]
	if to, moved := h.renamed[name]; moved {
		http.Redirect(w, r, strings.Replace(r.URL.RequestURI(), name, to, 1), http.StatusTemporaryRedirect)
		return
	}
	repo := h.repos[name]
	if repo == nil { // nobody is told whether there is one
		refuse(w, http.StatusUnauthorized, "RepoNotFound", "Repository not found")
		return
	}
	if repo.gated && authorization == "" {
		refuse(w, http.StatusUnauthorized, "GatedRepo", "Access to model "+name+" is restricted.")
		return
	}
	revision, _ := url.PathUnescape(part[3]) // what can't be is no revision
	if revision == "main" {
		revision = repo.main
	}
	files := repo.commits[revision]
	if files == nil {
		refuse(w, http.StatusNotFound, "RevisionNotFound", "Invalid rev id: "+part[3])
		return
	}
	switch {
	case isAPI && part[2] == "revision":
		answerJSON(w, map[string]any{"id": name, "sha": revision})
	case isAPI && part[2] == "tree":
		h.serveTree(w, r, files)
	case !isAPI && part[2] == "resolve" && len(part) == 5:
		file, _ := url.PathUnescape(part[4]) // what can't be is no file
		h.serveFile(w, r, file, revision, files)
	default:
		refuse(w, http.StatusNotFound, "", "Not found")
	}
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("X-Error-Message", message)
	if code != "" {
		w.Header().Set("X-Error-Code", code)
	}
	w.WriteHeader(status)
}

func answerJSON(w http.ResponseWriter, what any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(what) // who has gone needs no answer
}

func isLarge(file string) bool { return strings.HasSuffix(file, ".gguf") }

func (h *HubServer) serveTree(w http.ResponseWriter, r *http.Request, files map[string][]byte) {
	from, _ := strconv.Atoi(r.URL.Query().Get("cursor")) // of nothing is 0
	names := slices.Sorted(maps.Keys(files))
	page := names[min(from, len(names)):min(from+hubPage, len(names))]
	if next := from + hubPage; next < len(names) {
		w.Header().Set("Link", fmt.Sprintf(`<%s%s?recursive=true&cursor=%d>; rel="next"`, h.Endpoint, r.URL.EscapedPath(), next))
	}
	entries := []map[string]any{}
	if from == 0 {
		entries = append(entries, map[string]any{"type": "directory", "oid": "1", "size": 0, "path": "folder"})
	}
	for _, name := range page {
		e := map[string]any{"type": "file", "oid": blobOf(files[name]), "size": len(files[name]), "path": name}
		if isLarge(name) {
			sum := sha256.Sum256(files[name])
			e["lfs"] = map[string]any{"oid": hex.EncodeToString(sum[:]), "size": len(files[name]), "pointerSize": 135}
		}
		entries = append(entries, e)
	}
	answerJSON(w, entries)
}

// blobOf returns what git calls a file of this content.
func blobOf(content []byte) string {
	sum := sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(content), content)) //nolint:gosec // git names it so
	return hex.EncodeToString(sum[:])
}

func (h *HubServer) serveFile(w http.ResponseWriter, r *http.Request, file, commit string, files map[string][]byte) {
	content, is := files[file]
	if !is {
		refuse(w, http.StatusNotFound, "EntryNotFound", "Entry not found")
		return
	}
	w.Header().Set("X-Repo-Commit", commit)
	if !isLarge(file) {
		w.Header().Set("ETag", `"`+blobOf(content)+`"`)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(content)))
		return
	}
	signature := rand.Text()
	h.signed[signature] = content
	expires := time.Now().Add(time.Hour).Unix()
	http.Redirect(w, r, fmt.Sprintf("%s/%s?Expires=%d&Signature=%s", h.cdn, blobOf(content), expires, signature), http.StatusFound)
}

// serveSigned is the other host.
func (h *HubServer) serveSigned(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	content, is := h.signed[r.URL.Query().Get("Signature")]
	if r.Header.Get("Authorization") != "" {
		h.strange = append(h.strange, "somebody's token")
	}
	h.mu.Unlock()
	if !is {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	w.Header().Set("ETag", `"`+blobOf(content)+`"`)
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(content)))
}

// Expire has what the other host has signed so far be good no more.
func (h *HubServer) Expire() {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.signed)
}
