package edge

import (
	"context"
	"strings"
	"testing"
)

func TestRouterFind(t *testing.T) {
	r := NewRouter()
	for _, path := range []string{"/", "/api/models", "/api/models/{id}", "/api/models/{id}/download", "/api/models/special/x", "/assets/{rest...}"} {
		r.Route(Route{Method: "GET", Path: path, Permission: Public, Handler: echo})
	}
	for path, want := range map[string]string{
		"/":                               "/ ",
		"/api/models":                     "/api/models ",
		"/api/models/a%2Fb":               "/api/models/{id} a/b",
		"/api/models/special":             "/api/models/{id} special", // falls back from the literal
		"/api/models/special/x":           "/api/models/special/x ",
		"/api/models/special/download":    "/api/models/{id}/download special",
		"/assets":                         "/assets/{rest...} ",
		"/assets/js/app.js":               "/assets/{rest...} js/app.js",
		"/api":                            "",
		"/api/models/a/b/c":               "",
		"/api/models/a/download/too/long": "",
	} {
		parsed, err := parseTarget(path, "h")
		if err != nil {
			t.Fatal(err)
		}
		end, values := r.root.find(parsed.segments, nil)
		got := ""
		if end != nil {
			got = end.ending("GET").http.Path + " " + strings.Join(values, ",")
		}
		if got != want {
			t.Errorf("find(%q) = %q, want %q", path, got, want)
		}
	}
	if got := len(r.Routes()); got != 6 {
		t.Errorf("Routes lists %d, want 6", got)
	}
}

func TestRouterRefusesMistakes(t *testing.T) {
	socket := func(context.Context, *Request, *Socket) error { return nil }
	good := Route{Method: "GET", Path: "/x/{id}", Permission: Read, Handler: echo}
	for name, change := range map[string]func(*Route){
		"no permission":         func(r *Route) { r.Permission = 0 },
		"strange permission":    func(r *Route) { r.Permission = 99 },
		"no handler":            func(r *Route) { r.Handler = nil },
		"duplicate":             func(r *Route) {},
		"other names":           func(r *Route) { r.Path = "/x/{name}" },
		"no slash":              func(r *Route) { r.Path = "x" },
		"under the keys":        func(r *Route) { r.Path = "/k/x" },
		"rest in the middle":    func(r *Route) { r.Path = "/y/{a...}/b" },
		"a name twice":          func(r *Route) { r.Path = "/y/{a}/{a}" },
		"unclosed name":         func(r *Route) { r.Path = "/y/{a" },
		"empty segment":         func(r *Route) { r.Path = "/y//z" },
		"buffer without limit":  func(r *Route) { r.Path, r.MaxBodyBytes = "/y", -1 },
		"socket of another way": func(r *Route) { r.Path, r.Method, r.Socket = "/y", "POST", socket },
		"simple body type":      func(r *Route) { r.Path, r.BodyTypes = "/y", []string{"text/plain"} },
	} {
		t.Run(name, func(t *testing.T) {
			table := NewRouter()
			table.Route(good)
			bad := good
			change(&bad)
			defer func() {
				if recover() == nil {
					t.Error("the route was taken")
				}
			}()
			table.Route(bad)
		})
	}
	table := NewRouter()
	table.Route(good)
	table.Route(Route{Path: "/x/{id}", Permission: Read, Socket: socket}) // beside a plain handler
	if got := len(table.Routes()); got != 2 {
		t.Errorf("a path took %d routes, want a handler and a socket", got)
	}
}
