package web

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/corral-fleet/corral/controlplane/internal/relay/relaytest"
)

const (
	page    = `<!doctype html><script src="/assets/theme-a1.js"></script>`
	browser = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
)

// built is what a build leaves behind.
func built() fstest.MapFS {
	files := fstest.MapFS{}
	for name, body := range map[string]string{
		".gitkeep": "", "index.html": page,
		"assets/theme-a1.js": "short()", "assets/index-b2.js": "main()", "assets/index-b2.js.br": "by brotli",
		"assets/index-b2.js.gz": "by gzip", "assets/index-c3.css": "a{}", "assets/index-c3.css.gz": "zipped",
		"assets/inter-d4.woff2": "a font", "assets/langs/de-e5.json": "{}", "assets/mark-f6.svg": "<svg/>",
		"assets/dot-a7.png": "png", "assets/sum-b8.wasm": "wasm",
	} {
		files[name] = &fstest.MapFile{Data: []byte(body)}
	}
	return files
}

func serve(t *testing.T, files fs.FS) *relaytest.Server {
	t.Helper()
	site, err := New(files)
	if err != nil {
		t.Fatal(err)
	}
	return relaytest.Serve(t, site.Routes())
}

func TestPermissions(t *testing.T) {
	site, err := New(built())
	if err != nil {
		t.Fatal(err)
	}
	relaytest.CheckPermissions(t, site.Routes())
}

func TestHomeIsOllamaToEverybodyElse(t *testing.T) {
	for name, files := range map[string]fs.FS{"with a build": built(), "without": fstest.MapFS{}} {
		s := serve(t, files)
		for _, path := range []string{"/", "/k/read/", "/k/unknown"} {
			for _, accept := range []string{"Accept: application/json", "Accept: */*", "Accept: text/html;q=0"} {
				got := s.Do(0, "GET", path, "", accept)
				if got.Status != 200 || got.Body != "Ollama is running" || !varies(got, "Accept") || !strings.HasPrefix(got.Header.Get("Content-Type"), "text/plain") {
					t.Errorf("%s: GET %s, %s: %d %v %q", name, path, accept, got.Status, got.Header, got.Body)
				}
			}
			if got := s.Do(0, "HEAD", path, ""); got.Status != 200 || got.Body != "" || got.Header.Get("Content-Length") != "17" {
				t.Errorf("%s: HEAD %s: %d %v %q", name, path, got.Status, got.Header, got.Body)
			}
		}
	}
}

// varies reports whether an answer says that it depends on a field.
func varies(got relaytest.Result, field string) bool {
	for _, line := range got.Header.Values("Vary") {
		for name := range strings.SplitSeq(line, ",") {
			if strings.TrimSpace(name) == field {
				return true
			}
		}
	}
	return false
}

func TestPage(t *testing.T) {
	s := serve(t, built())
	for _, path := range []string{
		"/", "/k/read/", "/k/unknown", "/login", "/fleet", "/hosts/h1", "/models", "/models/m_a%2Fb", "/operations", "/chat", "/help/", "/fleet?sort=name",
	} {
		got := s.Do(0, "GET", path, "", browser)
		if got.Status != 200 || got.Body != page || !varies(got, "Accept") {
			t.Errorf("GET %s: %d %q", path, got.Status, got.Body)
		}
		for field, want := range map[string]string{
			"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-cache",
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
				"font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
		} {
			if value := got.Header.Get(field); value != want {
				t.Errorf("GET %s: %s is %q", path, field, value)
			}
		}
		if head := s.Do(0, "HEAD", path, "", browser); head.Status != 200 || head.Body != "" || head.Header.Get("Etag") != got.Header.Get("Etag") {
			t.Errorf("HEAD %s: %d %v", path, head.Status, head.Header)
		}
	}
}

func TestOtherPathsAreNoPages(t *testing.T) {
	s := serve(t, built())
	for path, accept := range map[string]string{
		"/fleet":                          "Accept: */*", // a place of the page, to who is no browser
		"/hosts/h1":                       "Accept: application/json",
		"/hosts":                          browser,
		"/hosts/h1/x":                     browser,
		"/index.html":                     browser,
		"/fleets":                         browser,
		"/assets":                         browser,
		"/assets/nope.js":                 browser,
		"/assets/langs":                   browser,
		"/assets/.gitkeep":                browser,
		"/assets/index-b2":                browser,
		"/assets/index-b2.js.br":          browser, // a form of a file is no file
		"/assets/..%2findex.html":         browser,
		"/assets/..%2f..%2fembed.go":      browser,
		"/assets/%2fassets%2findex-b2.js": browser,
		`/assets/..%5cindex.html`:         browser,
	} {
		got := s.Do(0, "GET", path, "", accept)
		if got.Status != 404 || !strings.HasPrefix(got.Header.Get("Content-Type"), "application/json") || !strings.Contains(got.Body, `"code":"not_found"`) {
			t.Errorf("GET %s: %d %s %s", path, got.Status, got.Header.Get("Content-Type"), got.Body)
		}
		if got.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("GET %s may be kept: %v", path, got.Header)
		}
	}
	for _, path := range []string{"/assets/../index.html", "/assets/%2e%2e/index.html", "/../index.html"} {
		if got := s.Do(0, "GET", path, "", browser); got.Status != 400 {
			t.Errorf("GET %s: %d %s", path, got.Status, got.Body)
		}
	}
	if got := s.Do(0, "POST", "/fleet", "{}", browser); got.Status != 405 {
		t.Errorf("POST /fleet: %d", got.Status)
	}
}

func TestAssets(t *testing.T) {
	s := serve(t, built())
	for _, c := range []struct{ file, accept, encoding, body, contentType string }{
		{"index-b2.js", "gzip, deflate, br", "br", "by brotli", "text/javascript; charset=utf-8"},
		{"index-b2.js", "gzip, deflate", "gzip", "by gzip", "text/javascript; charset=utf-8"},
		{"index-b2.js", "identity", "", "main()", "text/javascript; charset=utf-8"},
		{"index-b2.js", "br;q=0, gzip;q=0", "", "main()", "text/javascript; charset=utf-8"},
		{"index-c3.css", "br, gzip;q=0.1", "gzip", "zipped", "text/css; charset=utf-8"},
		{"theme-a1.js", "br, gzip", "", "short()", "text/javascript; charset=utf-8"},
		{"inter-d4.woff2", "br, gzip", "", "a font", "font/woff2"},
		{"langs/de-e5.json", "br", "", "{}", "application/json; charset=utf-8"},
		{"mark-f6.svg", "br", "", "<svg/>", "image/svg+xml"},
		{"dot-a7.png", "br", "", "png", "image/png"},
		{"sum-b8.wasm", "br", "", "wasm", "application/octet-stream"},
	} {
		got := s.Do(0, "GET", "/assets/"+c.file, "", "Accept: */*", "Accept-Encoding: "+c.accept)
		h := got.Header
		if got.Status != 200 || got.Body != c.body || h.Get("Content-Encoding") != c.encoding || h.Get("Content-Type") != c.contentType {
			t.Errorf("%s for %q: %d %v %q", c.file, c.accept, got.Status, h, got.Body)
		}
		if h.Get("Cache-Control") != "public, max-age=31536000, immutable" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Security-Policy") != assetSecurity {
			t.Errorf("%s: %v", c.file, h)
		}
		if compressed := strings.HasPrefix(c.file, "index-"); varies(got, "Accept-Encoding") != compressed {
			t.Errorf("%s: Vary is %v", c.file, h.Values("Vary"))
		}
		head := s.Do(0, "HEAD", "/assets/"+c.file, "", "Accept-Encoding: "+c.accept)
		for _, field := range []string{"Etag", "Content-Length", "Content-Encoding", "Content-Type", "Cache-Control"} {
			if head.Header.Get(field) != h.Get(field) {
				t.Errorf("HEAD %s: %s is %q, and with GET %q", c.file, field, head.Header.Get(field), h.Get(field))
			}
		}
		if head.Status != 200 || head.Body != "" {
			t.Errorf("HEAD %s: %d %q", c.file, head.Status, head.Body)
		}
	}
}

func TestNotModified(t *testing.T) {
	s := serve(t, built())
	seen := map[string]string{}
	for _, c := range []struct{ path, encoding string }{
		{"/", "identity"}, {"/assets/index-b2.js", "identity"}, {"/assets/index-b2.js", "gzip"}, {"/assets/index-b2.js", "br"},
	} {
		ask := func(tags string) relaytest.Result {
			return s.Do(0, "GET", c.path, "", browser, "Accept-Encoding: "+c.encoding, "If-None-Match: "+tags)
		}
		first := ask(`"another"`)
		etag := first.Header.Get("Etag")
		if first.Status != 200 || etag == "" {
			t.Fatalf("%s by %s: %d %v", c.path, c.encoding, first.Status, first.Header)
		}
		if other, twice := seen[etag]; twice {
			t.Errorf("%s by %s and %s have the tag %s", c.path, c.encoding, other, etag)
		}
		seen[etag] = c.path + " by " + c.encoding
		for _, tags := range []string{etag, "W/" + etag, `"another", ` + etag, "*"} {
			got := ask(tags)
			if got.Status != 304 || got.Body != "" || got.Header.Get("Etag") != etag || got.Header.Get("Cache-Control") != first.Header.Get("Cache-Control") {
				t.Errorf("%s by %s, had %s: %d %v", c.path, c.encoding, tags, got.Status, got.Header)
			}
		}
	}
}

func TestWithoutABuild(t *testing.T) {
	s := serve(t, fstest.MapFS{".gitkeep": &fstest.MapFile{}})
	for _, path := range []string{"/", "/fleet", "/login"} {
		got := s.Do(0, "GET", path, "", browser)
		if got.Status != 200 || got.Header.Get("Content-Type") != "text/html; charset=utf-8" || got.Header.Get("Content-Security-Policy") != security {
			t.Errorf("GET %s: %d %v", path, got.Status, got.Header)
		}
		for _, want := range []string{"without its dashboard", "make build", "The API works"} {
			if !strings.Contains(got.Body, want) {
				t.Errorf("GET %s does not say %q: %s", path, want, got.Body)
			}
		}
		for _, outside := range []string{"http://", "https://", "<script", "style"} {
			if strings.Contains(got.Body, outside) {
				t.Errorf("the page has %q in it", outside)
			}
		}
	}
	if got := s.Do(0, "GET", "/assets/index-b2.js", ""); got.Status != 404 {
		t.Errorf("an asset: %d", got.Status)
	}
}

// unreadable is a folder with one file that can't be read.
type unreadable struct {
	fstest.MapFS
	name string
}

func (u unreadable) ReadFile(name string) ([]byte, error) {
	if name == u.name {
		return nil, fs.ErrPermission
	}
	return u.MapFS.ReadFile(name)
}

func TestFilesThatCannotBeRead(t *testing.T) {
	for _, name := range []string{"index.html", "assets/theme-a1.js", "assets/index-b2.js.br"} {
		if _, err := New(unreadable{built(), name}); err == nil || !strings.Contains(err.Error(), "read the dashboard") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
