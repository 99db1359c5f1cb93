package edge

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseTarget(t *testing.T) {
	type want struct {
		path     string
		segments []string
		key      string
	}
	for raw, w := range map[string]want{
		"/":                               {path: "/", segments: []string{}},
		"//":                              {path: "/", segments: []string{}},
		"/api/models":                     {path: "/api/models", segments: []string{"api", "models"}},
		"//api///models/":                 {path: "/api/models", segments: []string{"api", "models"}},
		"/api/models/hf.co%2Fa%2Fb:q4":    {path: "/api/models/hf.co%2Fa%2Fb:q4", segments: []string{"api", "models", "hf.co/a/b:q4"}},
		"/api/%6dodels":                   {path: "/api/models", segments: []string{"api", "models"}},
		"/k/SECRET/api/tags?x=1":          {path: "/api/tags", segments: []string{"api", "tags"}, key: "SECRET"},
		"/k/SECRET/":                      {path: "/", segments: []string{}, key: "SECRET"},
		"/k/SECRET":                       {path: "/", segments: []string{}, key: "SECRET"},
		"//k//SECRET//v1":                 {path: "/v1", segments: []string{"v1"}, key: "SECRET"},
		"/%6b/SECRET/v1":                  {path: "/v1", segments: []string{"v1"}, key: "SECRET"},
		"/k":                              {path: "/k", segments: []string{"k"}},
		"http://host:1/api/tags":          {path: "/api/tags", segments: []string{"api", "tags"}},
		"http://host:1?x=1":               {path: "/", segments: []string{}},
		"*":                               {path: "*"},
		"/a%2f..%2fb":                     {path: "/a%2F..%2Fb", segments: []string{"a/../b"}}, // one segment: data
		"/%D0%BC%D0%BE%D0%B4%D0%B5%D0%BB": {path: "/%D0%BC%D0%BE%D0%B4%D0%B5%D0%BB", segments: []string{"модел"}},
	} {
		got, err := parseTarget(raw, "host:1")
		if err != nil {
			t.Errorf("parseTarget(%q): %v", raw, err)
			continue
		}
		if diff := cmp.Diff(w, want{got.path, got.segments, got.urlKey}, cmp.AllowUnexported(want{})); diff != "" {
			t.Errorf("parseTarget(%q) (-want +got):\n%s", raw, diff)
		}
	}
	for _, raw := range []string{
		"", "api", "/..", "/a/../b", "/a/%2e%2e/b", "/a/.%2E", "/./a", "/a/%", "/a/%zz", "/a%00b", "/a%0d%0ab",
		"/%ff", "ftp://host:1/a", "http://other/a", "/a?%zz", "javascript:alert(1)",
	} {
		if got, err := parseTarget(raw, "host:1"); err == nil {
			t.Errorf("parseTarget(%q) = %q, want an error", raw, got.path)
		}
	}
}

// A path that was accepted reads the same when it is parsed again: nothing
// that looks at the canonical form can come to another decision.
func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{"/", "/api/models/a%2Fb", "/k/x/..", "//a//b/", "/%2e%2e", "http://h/a?b=c", "*", "/k//k/k"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		first, err := parseTarget(raw, "h")
		if err != nil {
			return
		}
		if strings.Contains(first.path, "//") || strings.Contains(first.path+"/", "/../") {
			t.Fatalf("%q has the path %q", raw, first.path)
		}
		segments, err := splitPath(first.path)
		if first.path == "*" {
			return
		}
		if err != nil || joinPath(segments) != first.path || !cmp.Equal(segments, first.segments) {
			t.Fatalf("%q: %q reads as %q, %v", raw, first.path, segments, err)
		}
	})
}
