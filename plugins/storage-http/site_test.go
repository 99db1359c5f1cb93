package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/corral-fleet/corral/plugins/internal/faultproxy"
	"github.com/corral-fleet/corral/sdk/config"
	"github.com/corral-fleet/corral/sdk/fault"
	"github.com/corral-fleet/corral/sdk/storage"
	"github.com/corral-fleet/corral/sdk/storage/storagetest"
)

// content returns so many bytes, the same each time.
func content(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) // it never fails
	return b
}

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// files are what the servers of these tests have: more than one part among them.
func files() storagetest.Known {
	return storagetest.Known{
		"tiny/model.gguf": content(5*leastPart + 17), "tiny/config.json": []byte("{}\n"), "empty": nil, "with space/a+b%2F?#ü.txt": []byte("strange"),
	}
}

const leastPart = 64 << 10

// longAgo is when what is elsewhere was made.
var longAgo = time.Unix(1, 0)

// folder returns a folder with files.
func folder(t *testing.T, files storagetest.Known) string {
	t.Helper()
	dir := t.TempDir()
	for key, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(key))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, text, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// published returns the address of a web server with what is in a folder.
func published(t *testing.T, dir string, wrap func(http.Handler) http.Handler) string {
	t.Helper()
	h := http.StripPrefix("/pub", http.FileServer(http.Dir(dir)))
	if wrap != nil {
		h = wrap(h)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL + "/pub/"
}

func opened(t *testing.T, address string, change func(*settings)) *site {
	t.Helper()
	var s settings
	s.SetDefaults()
	s.URLs, s.PartSize, s.Transfers = []string{address}, leastPart, 3
	if change != nil {
		change(&s)
	}
	if err := config.Validate(&s, nil); err != nil {
		t.Fatal(err)
	}
	b, err := open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.(*site).Close() })
	return b.(*site)
}

// Servers that do what they have to, and as little as they have to.
var servers = map[string]func(http.Handler) http.Handler{
	"with dates": nil,
	"with tags": func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"tag-of-`+base64.URLEncoding.EncodeToString([]byte(r.URL.Path))+`"`)
			h.ServeHTTP(w, r)
		})
	},
	"without ranges": func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("Range")
			h.ServeHTTP(w, r)
		})
	},
	"without versions": func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			faultproxy.Alter(func(h http.Header) { h.Del("Last-Modified") })(w, r, h)
		})
	},
	"strict about ends": func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			whole := httptest.NewRecorder()
			h.ServeHTTP(whole, httptest.NewRequestWithContext(r.Context(), r.Method, r.URL.String(), http.NoBody))
			var first, last int
			if n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &first, &last); n == 2 && whole.Code == http.StatusOK && last >= whole.Body.Len() {
				w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
				return
			}
			h.ServeHTTP(w, r)
		})
	},
	"without HEAD": func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodHead {
				w.WriteHeader(http.StatusMethodNotAllowed)
				return
			}
			h.ServeHTTP(w, r)
		})
	},
}

func TestContract(t *testing.T) {
	for name, wrap := range servers {
		t.Run(name, func(t *testing.T) {
			known := files()
			address := published(t, folder(t, known), wrap)
			storagetest.RunKnown(t, known, func(t *testing.T) storage.Backend { return opened(t, address, nil) })
		})
	}
}

// sumsOf returns what sha256sum says of files.
func sumsOf(files storagetest.Known) []byte {
	var sums strings.Builder
	for key, text := range files {
		sums.WriteString(sumOf(text) + "  ./" + key + "\n")
	}
	return []byte(sums.String())
}

func TestContractWithLists(t *testing.T) {
	for name, change := range map[string]func(storagetest.Known) (settings func(*settings), lists storagetest.Known){
		"sums alone": func(f storagetest.Known) (func(*settings), storagetest.Known) {
			return func(s *settings) { s.Sums = "SHA256SUMS" }, storagetest.Known{"SHA256SUMS": sumsOf(f)}
		},
		"lines": func(f storagetest.Known) (func(*settings), storagetest.Known) {
			lines := "# what there is\n\n../no/key\ngone\n"
			for key := range f {
				lines += key + "\r\n"
			}
			return func(s *settings) { s.Index, s.Sums = "lists/index", "SHA256SUMS" }, storagetest.Known{"lists/index": []byte(lines), "SHA256SUMS": sumsOf(f)}
		},
		"JSON": func(storagetest.Known) (func(*settings), storagetest.Known) {
			return func(s *settings) { s.Index = "index.json" }, storagetest.Known{"index.json": []byte(
				`{"files": ["tiny/model.gguf", {"path": "tiny/config.json", "size": 3, "sha256": "` + sumOf([]byte("{}\n")) + `"}, {"name": "empty"}, "with space/a+b%2F?#ü.txt"]}`)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			known := files()
			settings, lists := change(known)
			dir := folder(t, known)
			for key, text := range lists {
				path := filepath.Join(dir, filepath.FromSlash(key))
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, text, 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			address := published(t, dir, nil)
			storagetest.RunKnown(t, known, func(t *testing.T) storage.Backend { return opened(t, address, settings) })
			listed := map[string]storage.Info{}
			for info, err := range opened(t, address, settings).List(t.Context(), "") {
				if err != nil {
					t.Fatal(err)
				}
				listed[info.Key] = info
			}
			if len(listed) != len(known) || listed["tiny/config.json"].SHA256 != sumOf([]byte("{}\n")) {
				t.Errorf("%v", listed)
			}
		})
	}
}

func TestWithoutAListNothingIsListed(t *testing.T) {
	for _, err := range opened(t, published(t, folder(t, files()), nil), nil).List(t.Context(), "") {
		if fault.KindOf(err) != fault.NotImplemented || !strings.Contains(fault.MessageOf(err), "index") {
			t.Errorf("%v", err)
		}
	}
}

func tryRead(ctx context.Context, b storage.Backend, key string) ([]byte, error) {
	in, err := b.Get(ctx, key, storage.Range{})
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(in)
	return got, errors.Join(err, in.Close())
}

// behind returns a site behind a proxy, and the folder that it publishes.
func behind(t *testing.T, wrap func(http.Handler) http.Handler, change func(*settings)) (*site, *faultproxy.Proxy, string) {
	t.Helper()
	dir := folder(t, files())
	proxy := faultproxy.New(t, strings.TrimSuffix(published(t, dir, wrap), "/pub/"))
	return opened(t, proxy.URL+"/pub/", change), proxy, dir
}

func TestWhatBreaksOffIsReadOn(t *testing.T) {
	for name, wrap := range servers {
		t.Run(name, func(t *testing.T) {
			b, proxy, _ := behind(t, wrap, nil)
			proxy.On(faultproxy.First(3, faultproxy.Method(http.MethodGet), faultproxy.Cut(20_000)))
			got, err := tryRead(t.Context(), b, "tiny/model.gguf")
			if name == "without versions" { // nobody knows whether it would be read on
				if fault.KindOf(err) != fault.Unavailable {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				return
			}
			if err != nil || sumOf(got) != sumOf(files()["tiny/model.gguf"]) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
}

// What is read is one version, or nothing.
func TestAFileThatIsReplacedIsNotReadOn(t *testing.T) {
	for name, wrap := range servers {
		t.Run(name, func(t *testing.T) {
			b, proxy, dir := behind(t, wrap, nil)
			proxy.On(faultproxy.First(1, faultproxy.Method(http.MethodGet), faultproxy.Cut(1000)))
			in, err := b.Get(t.Context(), "tiny/model.gguf", storage.Range{})
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			replaced := filepath.Join(dir, "replaced")
			if err := errors.Join(os.WriteFile(replaced, make([]byte, 5*leastPart+17), 0o600), os.Chtimes(replaced, longAgo, longAgo), os.Rename(replaced, filepath.Join(dir, "tiny/model.gguf"))); err != nil {
				t.Fatal(err)
			}
			if name == "with tags" {
				proxy.On(faultproxy.Always(func(*http.Request) bool { return true }, faultproxy.Alter(func(h http.Header) {
					h.Set("ETag", `"another"`)
				})))
			}
			got, err := io.ReadAll(in)
			if name == "without versions" { // all of it came with one answer, which is not of two
				if err != nil || sumOf(got) != sumOf(files()["tiny/model.gguf"]) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				return
			}
			if fault.KindOf(err) != fault.Conflict {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
}

func TestAWholeReadIsHeldAgainstItsDigest(t *testing.T) {
	wrong := sha256.Sum256([]byte("something else"))
	for name, alter := range map[string]func(http.Header){
		"RFC 9530":  func(h http.Header) { h.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(wrong[:])+":") },
		"RFC 3230":  func(h http.Header) { h.Set("Digest", "md5=x, SHA-256="+base64.StdEncoding.EncodeToString(wrong[:])) },
		"artifacts": func(h http.Header) { h.Set("X-Checksum-Sha256", hex.EncodeToString(wrong[:])) },
		"sums":      nil,
	} {
		t.Run(name, func(t *testing.T) {
			b, proxy, dir := behind(t, nil, func(s *settings) {
				if alter == nil {
					s.Sums = "SHA256SUMS"
				}
			})
			if err := os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(hex.EncodeToString(wrong[:])+" *tiny/model.gguf\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if alter != nil {
				proxy.On(faultproxy.Always(func(*http.Request) bool { return true }, faultproxy.Alter(alter)))
			}
			if info, err := b.Stat(t.Context(), "tiny/model.gguf"); err != nil || info.SHA256 != hex.EncodeToString(wrong[:]) {
				t.Errorf("%+v, %v", info, err)
			}
			if got, err := tryRead(t.Context(), b, "tiny/model.gguf"); fault.KindOf(err) != fault.Corrupt || len(got) == len(files()["tiny/model.gguf"]) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
}

func TestWhoAsksIsToldToNobodyElse(t *testing.T) {
	var elsewhere []string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		elsewhere = append(elsewhere, r.Header.Get("Authorization"))
		http.ServeContent(w, r, "", longAgo, strings.NewReader("elsewhere"))
	}))
	t.Cleanup(other.Close)
	b, _, _ := behind(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if name, password, ok := r.BasicAuth(); !ok || name != "corral" || password != "the-password" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			http.Redirect(w, r, other.URL+"/x?signature=secret", http.StatusTemporaryRedirect)
		})
	}, func(s *settings) { s.Username, s.Password = "corral", config.NewSecret("the-password") })
	if got, err := tryRead(t.Context(), b, "tiny/model.gguf"); err != nil || string(got) != "elsewhere" {
		t.Errorf("%q, %v", got, err)
	}
	if len(elsewhere) == 0 || strings.Join(elsewhere, "") != "" {
		t.Errorf("%q", elsewhere)
	}
	other.Close()
	if _, err := b.Stat(t.Context(), "tiny/model.gguf"); fault.KindOf(err) != fault.Unavailable || strings.Contains(errorText(err), "signature") {
		t.Errorf("%v", err)
	}
	denied := opened(t, b.Address(), func(s *settings) { s.Token = config.NewSecret("another") })
	if _, err := denied.Stat(t.Context(), "tiny/model.gguf"); fault.KindOf(err) != fault.Unauthenticated || fault.SideOf(err) != fault.Service {
		t.Errorf("%v", err)
	}
}

// errorText is an error with all that it was caused by.
func errorText(err error) string {
	text := ""
	for ; err != nil; err = errors.Unwrap(err) {
		text += err.Error() + "\n"
	}
	return text
}

func TestAServerThatSendsOnToAnotherSchemeIsNotFollowed(t *testing.T) {
	for to, want := range map[string]fault.Kind{"file:///etc/passwd": fault.Forbidden, "ftp://127.0.0.1/x": fault.Forbidden, "/pub/tiny/model.gguf": fault.Unavailable} {
		b, _, _ := behind(t, func(http.Handler) http.Handler { return http.RedirectHandler(to, http.StatusFound) }, nil)
		if _, err := tryRead(t.Context(), b, "tiny/model.gguf"); fault.KindOf(err) != want {
			t.Errorf("%s: %v: %v", to, fault.KindOf(err), err)
		}
	}
}

func TestAMirrorIsAskedWhereAnotherIsAway(t *testing.T) {
	address := published(t, folder(t, files()), nil)
	b := opened(t, "http://127.0.0.1:1/pub/", func(s *settings) { s.URLs = append(s.URLs, address) })
	if got, err := tryRead(t.Context(), b, "tiny/config.json"); err != nil || string(got) != "{}\n" {
		t.Errorf("%q, %v", got, err)
	}
	if err := b.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := opened(t, "http://127.0.0.1:1/pub/", nil).Check(t.Context()); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("%v", err)
	}
}

func TestAServerThatIsAskedTooOftenSaysWhenToAskAgain(t *testing.T) {
	b, proxy, _ := behind(t, nil, nil)
	for status, want := range map[int]fault.Kind{http.StatusTooManyRequests: fault.RateLimited, http.StatusServiceUnavailable: fault.Unavailable} {
		proxy.On(faultproxy.Always(func(*http.Request) bool { return true }, faultproxy.Refuse(status, 17)))
		_, err := b.Stat(t.Context(), "tiny/model.gguf")
		if fault.KindOf(err) != want || fault.SideOf(err) != fault.Service || fault.RetryAfterOf(err).Seconds() != 17 || len(proxy.Requests()) != 1 {
			t.Errorf("%d: %v after %v, %q", status, err, fault.RetryAfterOf(err), proxy.Requests())
		}
	}
	proxy.On(faultproxy.First(2, faultproxy.Method(http.MethodHead), faultproxy.Refuse(http.StatusBadGateway, 0)))
	if _, err := b.Stat(t.Context(), "tiny/model.gguf"); err != nil {
		t.Errorf("one that recovers: %v", err)
	}
}

func TestSettingsAreChecked(t *testing.T) {
	for name, change := range map[string]func(*settings){
		"no address":         func(s *settings) { s.URLs = nil },
		"no slash":           func(s *settings) { s.URLs = []string{"https://example.com/models"} },
		"another scheme":     func(s *settings) { s.URLs = []string{"file:///srv/"} },
		"a name in it":       func(s *settings) { s.URLs = []string{"https://a:b@example.com/"} },
		"an index elsewhere": func(s *settings) { s.Index = "../index" },
		"two ways":           func(s *settings) { s.Token, s.Username = config.NewSecret("x"), "y" },
		"nobody's password":  func(s *settings) { s.Password = config.NewSecret("x") },
		"parts of nothing":   func(s *settings) { s.PartSize = 0 },
		"no transfers":       func(s *settings) { s.Transfers = 0 },
		"no proxy":           func(s *settings) { s.Proxy = "nowhere" },
	} {
		var s settings
		s.SetDefaults()
		s.URLs = []string{"https://example.com/models/"}
		if err := config.Validate(&s, nil); err != nil {
			t.Fatal(err)
		}
		if change(&s); config.Validate(&s, nil) == nil {
			t.Errorf("%s will do", name)
		}
	}
}
