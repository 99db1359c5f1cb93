package e2e

import (
	"regexp"
	"strings"
	"testing"

	"github.com/corral-fleet/corral/e2e/corraltest"
)

// browserAccepts is the Accept that browsers send when a page is opened.
const browserAccepts = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

// TestDashboardIsInTheProgram fetches the page from the built program, and all
// that the page loads by itself.
func TestDashboardIsInTheProgram(t *testing.T) {
	t.Parallel()
	stranger := corraltest.New(t).ControlPlane().Caller("")
	page := stranger.Do("GET", "/hosts/any", nil, "Accept", browserAccepts)
	rules := page.Header.Get("Content-Security-Policy")
	if page.Status != 200 || !strings.Contains(rules, "script-src 'self'") || strings.Contains(rules, "unsafe") {
		t.Errorf("the page: %d %v", page.Status, page.Header)
	}
	if inline := regexp.MustCompile(`<script[^>]*>[^<]|<style|\sstyle=|\son[a-z]+=`).FindAllString(page.Body, -1); inline != nil {
		t.Errorf("the page has inline what its own rules forbid: %q", inline)
	}

	loaded := regexp.MustCompile(`(?:src|href)="(/assets/[^"]+)"`).FindAllStringSubmatch(page.Body, -1)
	if len(loaded) < 2 {
		t.Fatalf("the page loads %d files; was the program built by `make build`?\n%s", len(loaded), page.Body)
	}
	types := map[string]string{"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml", "woff2": "font/woff2"}
	for _, match := range loaded {
		path := match[1]
		file := stranger.Do("GET", path, nil, "Accept-Encoding", "br")
		contentType, _, _ := strings.Cut(file.Header.Get("Content-Type"), ";")
		if file.Status != 200 || contentType != types[path[strings.LastIndexByte(path, '.')+1:]] || !strings.Contains(file.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d %v", path, file.Status, file.Header)
		}
		if large := len(file.Body) > 10_000; large && contentType == "text/javascript" && file.Header.Get("Content-Encoding") != "br" {
			t.Errorf("%s goes out as it is, %d bytes", path, len(file.Body))
		}
	}
	if home := stranger.Get("/"); home.Body != "Ollama is running" {
		t.Errorf("to everybody else it says %q", home.Body)
	}
}
