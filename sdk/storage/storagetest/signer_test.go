package storagetest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/memory"
)

// signer hands out what a backend in memory has to whoever has a signed address. It can
// be broken.
type signer struct {
	objects *memory.Backend
	url     string

	ignoresRanges, wantsHeader, neverExpires, signsNothing, signsAnyKey, servesNothing bool
}

func newSigner(t *testing.T, objects *memory.Backend) *signer {
	s := &signer{objects: objects}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *signer) sign(key string, ttl time.Duration) storage.Presigned {
	expires := time.Now().Add(ttl)
	until := strconv.FormatInt(expires.UnixMilli(), 10)
	u, err := url.Parse(s.url)
	if err != nil {
		panic(err) // the test's own server has made it
	}
	u.Path, u.RawQuery = "/"+key, url.Values{"until": {until}, "signature": {s.signature(key, until)}}.Encode()
	return storage.Presigned{URL: u.String(), ExpiresAt: expires}
}

func (s *signer) signature(key, until string) string {
	if s.signsAnyKey {
		key = ""
	}
	sum := hmac.New(sha256.New, []byte("secret"))
	io.WriteString(sum, until+" "+key)
	return hex.EncodeToString(sum.Sum(nil))
}

// ServeHTTP implements [http.Handler].
func (s *signer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key, query := strings.TrimPrefix(r.URL.Path, "/"), r.URL.Query()
	until, _ := strconv.ParseInt(query.Get("until"), 10, 64)
	switch {
	case !s.signsNothing && query.Get("signature") != s.signature(key, query.Get("until")),
		!s.neverExpires && !s.signsNothing && time.Now().After(time.UnixMilli(until)),
		s.wantsHeader && r.Header.Get("X-Wanted") == "":
		http.Error(w, "no", http.StatusForbidden)
		return
	}
	in, err := s.objects.Get(r.Context(), key, storage.Range{})
	if err != nil && !s.servesNothing {
		http.NotFound(w, r)
		return
	}
	var content []byte
	if err == nil {
		content, _ = io.ReadAll(in)
	}
	if s.ignoresRanges {
		r.Header.Del("Range")
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}
