package relaytest

import (
	"strings"
	"testing"

	"github.com/corral-fleet/corral/controlplane/internal/edge"
)

// CheckPermissions asks each route with every key, and without one, and wants
// it to refuse those that its permission refuses and nobody else.
func CheckPermissions(t *testing.T, routes []edge.Route) {
	s := Serve(t, routes)
	for _, route := range routes {
		for _, may := range append([]edge.Permission{0}, Permissions()...) {
			body := ""
			if route.Method != "GET" && route.Method != "HEAD" {
				body = "{}"
			}
			got := s.Do(may, route.Method, exampleOf(route.Path), body).Status
			want := 0
			switch {
			case route.Permission == edge.Public:
			case may == 0:
				want = 401
			case may < route.Permission:
				want = 403
			}
			if want != 0 && got != want || want == 0 && (got == 401 || got == 403) {
				t.Errorf("%s %s, which needs %s: status %d with the key %q, want %d", route.Method, route.Path, route.Permission, got, may, want)
			}
		}
	}
}

// exampleOf returns a path that matches a pattern.
func exampleOf(pattern string) string {
	segments := strings.Split(pattern, "/")
	for i, s := range segments {
		if strings.HasPrefix(s, "{") {
			segments[i] = "x"
		}
	}
	return strings.Join(segments, "/")
}
